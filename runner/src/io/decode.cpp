#include "io/decode.h"

#include <algorithm>
#include <cstring>

#include "core/failure.h"
#include "core/file.h"
#include "core/machine.h"

namespace nnrun {
namespace {

constexpr std::uint64_t most_pixels = 100'000'000;
constexpr std::uint64_t megabyte = 1'000'000;
// A board of 1 GB can spare so much; it is a progressive JPEG of 64 megapixels.
constexpr std::uint64_t most_memory = 400 * megabyte;

bool begins(const std::vector<unsigned char>& bytes, const std::string& magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

std::string sized(std::uint64_t width, std::uint64_t height) { return std::to_string(width) + "x" + std::to_string(height) + " pixels"; }

}  // namespace

void check_size(std::uint64_t width, std::uint64_t height) {
    if (width == 0 || height == 0 || width * height > most_pixels)
        throw Failure(Exit::input, sized(width, height) + "; the limit is 100 megapixels, scale it down first");
}

void check_memory(std::uint64_t width, std::uint64_t height, std::uint64_t bytes, std::optional<std::uint64_t> available) {
    const std::uint64_t limit = available ? std::min(most_memory, *available / 2) : most_memory;
    if (bytes <= limit) return;
    throw Failure(Exit::input, sized(width, height) + " take " + std::to_string(bytes / megabyte) + " MB to decode; the limit is " +
                                   std::to_string(limit / megabyte) + " MB here, scale it down first");
}

// Asking the kernel takes as long as decoding a small picture does.
void check_memory(std::uint64_t width, std::uint64_t height, std::uint64_t bytes) {
    constexpr std::uint64_t little = 32 * megabyte;
    if (bytes > little) check_memory(width, height, bytes, available_bytes());
}

void check_content(std::uint64_t width, std::uint64_t height, std::uint64_t least, std::uint64_t bytes) {
    if (bytes >= least) return;
    throw Failure(Exit::input, "the file of " + std::to_string(bytes) + " bytes cannot hold its " + sized(width, height) +
                                   "; copy it again");
}

void decode_image(const std::vector<unsigned char>& bytes, Image& image) {
    if (bytes.empty()) throw Failure(Exit::input, "the file is empty");
    if (begins(bytes, "\xFF\xD8\xFF")) return decode_jpeg(bytes, image);
    if (begins(bytes, "\x89PNG\r\n\x1A\n")) return decode_png(bytes, image);
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

}  // namespace nnrun
