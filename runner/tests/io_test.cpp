// Reading and writing pictures.

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "core/failure.h"
#include "io/image.h"
#include "io/jpeg_writer.h"

namespace {

using nnrun::Image;

std::string too_much(std::uint64_t bytes, std::optional<std::uint64_t> available) {
    try {
        nnrun::check_memory(1000, 1000, bytes, available);
    } catch (const nnrun::Failure& failure) {
        return failure.what();
    }
    return "";
}

TEST_CASE("a picture fits the board's memory") {
    constexpr std::uint64_t megabyte = 1'000'000;
    CHECK(too_much(400 * megabyte, std::nullopt).empty());
    CHECK(!too_much(401 * megabyte, std::nullopt).empty());
    CHECK(too_much(100 * megabyte, 200 * megabyte).empty());
    CHECK(too_much(101 * megabyte, 200 * megabyte).find("the limit is 100 MB here") != std::string::npos);
}

TEST_CASE("broken Exif is upright") {
    const unsigned char turned[] = "II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
    CHECK(nnrun::exif_orientation(turned, sizeof turned) == 6);
    for (std::size_t size = 0; size < 18; ++size) CHECK(nnrun::exif_orientation(turned, size) == 1);
}

struct Temporary {
    std::FILE* file = std::tmpfile();
    ~Temporary() { std::fclose(file); }

    std::vector<unsigned char> bytes() const {
        std::vector<unsigned char> read(static_cast<std::size_t>(std::ftell(file)));
        std::rewind(file);
        CHECK(std::fread(read.data(), 1, read.size(), file) == read.size());
        return read;
    }
};

Image gradient(int width, int height) {
    Image image(width, height);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
            image.row(y)[3 * x] = static_cast<std::uint8_t>(x * 255 / width);
            image.row(y)[3 * x + 1] = static_cast<std::uint8_t>(y * 255 / height);
        }
    return image;
}

TEST_CASE("a jpeg is read as it was written") {
    const Image image = gradient(61, 35);
    const Temporary temporary;
    nnrun::write_jpeg(temporary.file, "it", image);
    Image read;
    nnrun::decode_jpeg(temporary.bytes(), read);
    CHECK(read.width == 61);
    CHECK(read.height == 35);
    int worst = 0;
    for (std::size_t i = 0; i < image.pixels.size(); ++i) worst = std::max(worst, std::abs(image.pixels[i] - read.pixels[i]));
    CHECK(worst < 16);
}

template <typename Act>
nnrun::Exit code_of(const Act& act) {
    try {
        act();
    } catch (const nnrun::Failure& failure) {
        return failure.code;
    }
    return nnrun::Exit::ok;
}

TEST_CASE("what cannot be written is an output failure") {
    using nnrun::Exit;
    CHECK(code_of([] { nnrun::save_jpeg("/no such folder/a.jpg", Image(2, 2)); }) == Exit::output);
    CHECK(code_of([] { nnrun::save_jpeg("/dev/full", Image(2, 2)); }) == Exit::output);
    CHECK(code_of([] { nnrun::save_jpeg("/dev/null", Image(65501, 1)); }) == Exit::input);
    CHECK(code_of([] { nnrun::save_jpeg("/dev/null", Image(65500, 1)); }) == Exit::ok);
    CHECK(code_of([] { nnrun::MjpegWriter("/no such folder/a.mjpeg"); }) == Exit::output);
    CHECK(code_of([] { nnrun::MjpegWriter("/dev/full").add(Image(2, 2)); }) == Exit::output);
}

}  // namespace
