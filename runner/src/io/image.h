#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nnrun {

// 8-bit RGB, row by row, without padding.
struct Image {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> pixels;

    Image() = default;
    Image(int width, int height)
        : width(width), height(height), pixels(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3) {}

    // Keeps the memory where it is enough; the pixels mean nothing yet.
    void reshape(int new_width, int new_height) {
        width = new_width;
        height = new_height;
        pixels.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
    }

    std::uint8_t* row(int y) { return pixels.data() + stride() * static_cast<std::size_t>(y); }
    const std::uint8_t* row(int y) const { return pixels.data() + stride() * static_cast<std::size_t>(y); }
    std::size_t stride() const { return static_cast<std::size_t>(width) * 3; }
};

// The picture as Pillow's exif_transpose(Image.open(path)).convert("RGB") gives it, with
// one difference: 16-bit grey keeps its high byte, where Pillow saturates at 255.
// Anything that is not a whole JPEG or PNG is a Failure with Exit::input.
Image read_image(const std::string& path);
// The same into an image whose memory is used again.
void read_image(const std::string& path, Image& image);

// The same of the bytes of a file.
void decode_image(const std::vector<unsigned char>& bytes, Image& image);

// For the decoders, before they allocate: each throws a Failure with Exit::input.
// A limit on the number of pixels.
void check_size(std::uint64_t width, std::uint64_t height);
// All that decoding needs at once: more than a board can spare, or than half of what is available
// on the one at hand.
void check_memory(std::uint64_t width, std::uint64_t height, std::uint64_t bytes, std::optional<std::uint64_t> available);
void check_memory(std::uint64_t width, std::uint64_t height, std::uint64_t bytes);
// A file of a few bytes that claims to be a big picture: it takes at least `min_bytes` to be one.
void check_content(std::uint64_t width, std::uint64_t height, std::uint64_t min_bytes, std::uint64_t bytes);

void decode_jpeg(const std::vector<unsigned char>& bytes, Image& image);
void decode_png(const std::vector<unsigned char>& bytes, Image& image);

// The Orientation tag (1 to 8) of an Exif block that starts at its TIFF header; 1 when
// there is none or it is broken.
int exif_orientation(const unsigned char* tiff, std::size_t size);

// Turns the picture upright.
void apply_orientation(Image& image, int orientation);

}  // namespace nnrun
