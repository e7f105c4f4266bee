#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image.h"

namespace nnrun {

// The picture as Pillow's exif_transpose(Image.open(path)).convert("RGB") gives it, with
// one difference: 16-bit grey keeps its high byte, where Pillow saturates at 255.
// Anything that is not a whole JPEG or PNG is a Failure with Exit::input.
Image read_image(const std::string& path);
// The same into an image whose memory is used again.
void read_image(const std::string& path, Image& image);

// For the two decoders: throws when no one would want so many pixels.
void check_size(std::uint64_t width, std::uint64_t height);

void decode_jpeg(const std::vector<unsigned char>& bytes, Image& image);
void decode_png(const std::vector<unsigned char>& bytes, Image& image);

}  // namespace nnrun
