#include "io/yuv_frames.h"

#include <algorithm>

#include "core/clock.h"
#include "core/failure.h"
#include "io/decode.h"

namespace nnrun {
namespace {

constexpr int half = 1 << 15;

constexpr int fixed(double factor) { return static_cast<int>(factor * 65536 + 0.5); }

std::uint8_t level(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

// What colour adds to the luma of two by two pixels.
struct Tint {
    int red;
    int green;
    int blue;
};

Tint tint(int cb, int cr) {
    return {(fixed(1.402) * cr + half) >> 16, (-fixed(0.34414) * cb - fixed(0.71414) * cr + half) >> 16, (fixed(1.772) * cb + half) >> 16};
}

void put(int luma, const Tint& with, std::uint8_t* to) {
    to[0] = level(luma + with.red);
    to[1] = level(luma + with.green);
    to[2] = level(luma + with.blue);
}

int halved(int side) { return (side + 1) / 2; }

std::size_t bytes_of(int width, int height) { return static_cast<std::size_t>(width) * static_cast<std::size_t>(height); }

}  // namespace

YuvFrames::YuvFrames(int width, int height) : width_(width), height_(height) {
    check_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
    bytes_.resize(bytes_of(width, height) + 2 * bytes_of(halved(width), halved(height)));
}

bool YuvFrames::next(Frame& frame) {
    frame.is_file = false;
    const std::size_t got = stream_.read(bytes_.data(), bytes_.size());
    if (got == 0) return false;
    if (got != bytes_.size()) throw Failure(Exit::input, "the stream ends within a frame; check --frame");
    const Stopwatch watch;
    frame.image.reshape(width_, height_);
    const auto columns = static_cast<std::size_t>(halved(width_));
    const std::uint8_t* const blue = bytes_.data() + bytes_of(width_, height_);
    const std::uint8_t* const red = blue + bytes_of(halved(width_), halved(height_));
    for (int y = 0; y < height_; ++y) {
        const std::size_t at = columns * static_cast<std::size_t>(y / 2);
        convert_row(bytes_.data() + bytes_of(width_, y), blue + at, red + at, frame.image.row(y));
    }
    frame.decode_ms = watch.ms();
    return true;
}

void YuvFrames::convert_row(const std::uint8_t* luma, const std::uint8_t* blue, const std::uint8_t* red, std::uint8_t* to) const {
    for (int x = 0; x < width_; x += 2) {
        const Tint with = tint(blue[x / 2] - 128, red[x / 2] - 128);
        put(luma[x], with, to + 3 * x);
        if (x + 1 < width_) put(luma[x + 1], with, to + 3 * (x + 1));
    }
}

}  // namespace nnrun
