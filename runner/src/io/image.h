#pragma once

#include <cstdint>
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

}  // namespace nnrun
