#include "image.h"

#include <cstring>

#include "failure.h"
#include "file.h"

namespace nnrun {
namespace {

constexpr unsigned long most_pixels = 100000000;

bool begins_with(const Bytes& bytes, const char* magic, std::size_t size) {
    return bytes.size() >= size && std::memcmp(bytes.data(), magic, size) == 0;
}

Image decode(const Bytes& bytes) {
    if (bytes.empty()) throw Failure(Exit::input, "the file is empty");
    if (begins_with(bytes, "\xFF\xD8\xFF", 3)) return decode_jpeg(bytes);
    if (begins_with(bytes, "\x89PNG\r\n\x1A\n", 8)) return decode_png(bytes);
    throw Failure(Exit::input, "not a JPEG or PNG image");
}

}  // namespace

Image blank_image(unsigned long width, unsigned long height) {
    if (width == 0 || height == 0) throw Failure(Exit::input, "the image has no pixels");
    if (width > most_pixels / height)
        throw Failure(Exit::input, "the image has " + std::to_string(width) + "x" + std::to_string(height) +
                                       " pixels, more than 100 million; scale it down first");
    Image image{static_cast<int>(width), static_cast<int>(height), {}};
    image.rgb.resize(width * height * 3);
    return image;
}

Image read_image(const std::string& path) {
    const Bytes bytes = read_file(path, Exit::input);
    try {
        return decode(bytes);
    } catch (const Failure& failure) {
        throw Failure(failure.code, path + ": " + failure.what());
    }
}

}  // namespace nnrun
