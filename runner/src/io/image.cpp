#include "io/image.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/failure.h"
#include "core/file.h"
#include "core/machine.h"

namespace nnrun {
namespace {

constexpr std::uint64_t max_pixels = 100'000'000;
constexpr std::uint64_t megabyte = 1'000'000;
// A board of 1 GB can spare so much; it is a progressive JPEG of 64 megapixels.
constexpr std::uint64_t max_memory = 400 * megabyte;

bool starts_with(const std::vector<unsigned char>& bytes, const std::string& magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

std::string size_text(std::uint64_t width, std::uint64_t height) {
    return std::to_string(width) + "x" + std::to_string(height) + " pixels";
}

}  // namespace

void check_size(std::uint64_t width, std::uint64_t height) {
    if (width == 0 || height == 0 || width * height > max_pixels)
        throw Failure(Exit::input, size_text(width, height) + "; the limit is 100 megapixels, scale it down first");
}

void check_memory(std::uint64_t width, std::uint64_t height, std::uint64_t bytes, std::optional<std::uint64_t> available) {
    const std::uint64_t limit = available ? std::min(max_memory, *available / 2) : max_memory;
    if (bytes <= limit) return;
    throw Failure(Exit::input, size_text(width, height) + " take " + std::to_string(bytes / megabyte) + " MB to decode; the limit is " +
                                   std::to_string(limit / megabyte) + " MB here, scale it down first");
}

// Asking the kernel takes as long as decoding a small picture does.
void check_memory(std::uint64_t width, std::uint64_t height, std::uint64_t bytes) {
    constexpr std::uint64_t little = 32 * megabyte;
    if (bytes > little) check_memory(width, height, bytes, available_bytes());
}

void check_content(std::uint64_t width, std::uint64_t height, std::uint64_t min_bytes, std::uint64_t bytes) {
    if (bytes >= min_bytes) return;
    throw Failure(Exit::input,
                  "the file of " + std::to_string(bytes) + " bytes cannot hold its " + size_text(width, height) + "; copy it again");
}

void decode_image(const std::vector<unsigned char>& bytes, Image& image) {
    if (bytes.empty()) throw Failure(Exit::input, "the file is empty");
    if (starts_with(bytes, "\xFF\xD8\xFF")) return decode_jpeg(bytes, image);
    if (starts_with(bytes, "\x89PNG\r\n\x1A\n")) return decode_png(bytes, image);
    throw Failure(Exit::input, "neither JPEG nor PNG");
}

Image read_image(const std::string& path) {
    Image image;
    read_image(path, image);
    return image;
}

void read_image(const std::string& path, Image& image) {
    const std::vector<unsigned char> bytes = read_file(path, Exit::input);
    try {
        decode_image(bytes, image);
    } catch (const Failure& failure) {
        throw Failure(Exit::input, path + ": " + failure.what());
    }
}

namespace {

class Tiff {
public:
    Tiff(const unsigned char* bytes, std::size_t size) : bytes_(bytes), size_(size), big_endian_(size > 1 && bytes[0] == 'M') {}

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

void apply_orientation(Image& image, int orientation) {
    if (orientation <= 1) return;
    const bool swapped = orientation >= 5;
    Image turned(swapped ? image.height : image.width, swapped ? image.width : image.height);
    for (int y = 0; y < turned.height; ++y)
        for (int x = 0; x < turned.width; ++x) std::memcpy(turned.row(y) + 3 * x, source(image, orientation, x, y), 3);
    image = std::move(turned);
}

}  // namespace nnrun
