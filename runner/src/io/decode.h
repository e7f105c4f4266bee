#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/image.h"

namespace nnrun {

// The picture as Pillow's exif_transpose(Image.open(path)).convert("RGB") gives it, with
// one difference: 16-bit grey keeps its high byte, where Pillow saturates at 255.
// Anything that is not a whole JPEG or PNG is a Failure with Exit::input.
Image read_image(const std::string& path);
// The same into an image whose memory is used again.
void read_image(const std::string& path, Image& image);

// The same of the bytes of a file.
void decode_image(const std::vector<unsigned char>& bytes, Image& image);

// For the decoders, before they allocate: each throws a Failure with Exit::input.
// No one would want so many pixels.
void check_size(std::uint64_t width, std::uint64_t height);
// All that decoding needs at once: more than a board can spare, or than half of what is available
// on the one at hand.
void check_memory(std::uint64_t width, std::uint64_t height, std::uint64_t bytes, std::optional<std::uint64_t> available);
void check_memory(std::uint64_t width, std::uint64_t height, std::uint64_t bytes);
// A file of a few bytes that claims to be a big picture: it takes at least `least` bytes to be one.
void check_content(std::uint64_t width, std::uint64_t height, std::uint64_t least, std::uint64_t bytes);

void decode_jpeg(const std::vector<unsigned char>& bytes, Image& image);
void decode_png(const std::vector<unsigned char>& bytes, Image& image);

}  // namespace nnrun
