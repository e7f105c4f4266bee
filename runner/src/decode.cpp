#include "decode.h"

#include <cstring>

#include "failure.h"
#include "file.h"

namespace nnrun {
namespace {

constexpr std::uint64_t most_pixels = 100'000'000;

bool begins(const std::vector<unsigned char>& bytes, const std::string& magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

void decode(const std::vector<unsigned char>& bytes, Image& image) {
    if (bytes.empty()) throw Failure(Exit::input, "the file is empty");
    if (begins(bytes, "\xFF\xD8\xFF")) return decode_jpeg(bytes, image);
    if (begins(bytes, "\x89PNG\r\n\x1A\n")) return decode_png(bytes, image);
    throw Failure(Exit::input, "neither JPEG nor PNG");
}

}  // namespace

void check_size(std::uint64_t width, std::uint64_t height) {
    if (width == 0 || height == 0 || width * height > most_pixels)
        throw Failure(Exit::input, std::to_string(width) + "x" + std::to_string(height) +
                                       " pixels; the limit is 100 megapixels, scale it down first");
}

Image read_image(const std::string& path) {
    Image image;
    read_image(path, image);
    return image;
}

void read_image(const std::string& path, Image& image) {
    const std::vector<unsigned char> bytes = read_file(path, Exit::input);
    try {
        decode(bytes, image);
    } catch (const Failure& failure) {
        throw Failure(Exit::input, path + ": " + failure.what());
    }
}

}  // namespace nnrun
