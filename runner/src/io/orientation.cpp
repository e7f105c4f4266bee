#include "io/orientation.h"

#include <cstdint>
#include <cstring>
#include <utility>

namespace nnrun {
namespace {

class Tiff {
public:
    Tiff(const unsigned char* bytes, std::size_t size)
        : bytes_(bytes), size_(size), big_endian_(size > 1 && bytes[0] == 'M') {}

    // 0 past the end: a broken block then holds no orientation.
    std::uint32_t number(std::size_t at, std::size_t length) const {
        if (at > size_ || size_ - at < length) return 0;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < length; ++i) {
            const std::size_t shift = 8 * (big_endian_ ? length - 1 - i : i);
            value |= static_cast<std::uint32_t>(bytes_[at + i]) << shift;
        }
        return value;
    }

private:
    const unsigned char* bytes_;
    std::size_t size_;
    bool big_endian_;
};

// Where pixel (x, y) of the upright picture lies in the stored one.
const std::uint8_t* source(const Image& image, int orientation, int x, int y) {
    const bool swapped = orientation >= 5;
    int column = swapped ? y : x;
    int line = swapped ? x : y;
    if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) column = image.width - 1 - column;
    if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) line = image.height - 1 - line;
    return image.row(line) + 3 * column;
}

}  // namespace

int exif_orientation(const unsigned char* bytes, std::size_t size) {
    constexpr std::uint32_t orientation_tag = 0x0112;
    const Tiff tiff(bytes, size);
    if (tiff.number(2, 2) != 42) return 1;
    const std::size_t directory = tiff.number(4, 4);
    const std::uint32_t entries = tiff.number(directory, 2);
    for (std::uint32_t i = 0; i < entries; ++i) {
        const std::size_t entry = directory + 2 + 12 * static_cast<std::size_t>(i);
        if (tiff.number(entry, 2) != orientation_tag) continue;
        const std::uint32_t value = tiff.number(entry + 8, 2);
        return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
}

void turn_upright(Image& image, int orientation) {
    if (orientation <= 1) return;
    const bool swapped = orientation >= 5;
    Image turned(swapped ? image.height : image.width, swapped ? image.width : image.height);
    for (int y = 0; y < turned.height; ++y)
        for (int x = 0; x < turned.width; ++x) std::memcpy(turned.row(y) + 3 * x, source(image, orientation, x, y), 3);
    image = std::move(turned);
}

}  // namespace nnrun
