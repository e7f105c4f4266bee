#include "io/streams.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "core/clock.h"
#include "core/failure.h"
#include "io/image.h"

namespace nnrun {

bool ByteStream::fill() {
    if (ended_) return false;
    ssize_t got = -1;
    do got = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    while (got < 0 && errno == EINTR);
    ended_ = got <= 0;
    if (got < 0) throw Failure(Exit::input, std::string("cannot read standard input: ") + std::strerror(errno));
    at_ = 0;
    end_ = static_cast<std::size_t>(got);
    return !ended_;
}

std::size_t ByteStream::read(unsigned char* to, std::size_t count) {
    std::size_t done = 0;
    while (done < count && (at_ < end_ || fill())) {
        const std::size_t part = std::min(count - done, end_ - at_);
        std::memcpy(to + done, buffer_.data() + at_, part);
        at_ += part;
        done += part;
    }
    return done;
}

void ByteStream::put_back(const unsigned char* bytes, std::size_t count) {
    std::vector<unsigned char> whole(bytes, bytes + count);
    whole.insert(whole.end(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_));
    at_ = 0;
    end_ = whole.size();
    whole.resize(std::max(whole.size(), buffer_.size()));
    buffer_ = std::move(whole);
}

namespace {

constexpr int start_of_image = 0xD8;
constexpr int end_of_image = 0xD9;
constexpr int start_of_scan = 0xDA;
constexpr std::array<unsigned char, 3> start{0xFF, start_of_image, 0xFF};
constexpr std::size_t max_bytes = std::size_t{64} << 20;
// Broken frames in a row whose last segment is looked through: a segment full of starts would
// else be read again for each of them.
constexpr int max_rescans = 8;

bool is_restart(int code) { return code >= 0xD0 && code <= 0xD7; }
// Markers without a segment.
bool stands_alone(int code) { return is_restart(code) || code == 0x01; }

[[noreturn]] void fail(const std::string& problem) { throw Failure(Exit::input, problem); }

}  // namespace

bool MjpegFrames::next_bytes(std::vector<unsigned char>& bytes) {
    if (!find_start()) return false;
    read_frame();
    bytes = bytes_;
    return true;
}

bool MjpegFrames::next(Frame& frame) {
    frame.is_file = false;
    if (!find_start()) return false;
    read_frame();
    const Stopwatch watch;
    decode_jpeg(bytes_, frame.image);
    frame.decode_ms = watch.ms();
    return true;
}

// Three bytes, for the third one always is another marker's.
bool MjpegFrames::find_start() {
    int before = 0;
    int last = 0;
    for (int byte = stream_.next(); byte >= 0; byte = stream_.next()) {
        if (before == 0xFF && last == start_of_image && byte == 0xFF) return true;
        before = last;
        last = byte;
    }
    return false;
}

void MjpegFrames::read_frame() {
    bytes_.assign(start.begin(), start.end());
    segment_ = bytes_.size();
    try {
        read_to_the_end();
        rescans_ = 0;
    } catch (const Failure&) {
        rescan_segment();
        throw;
    }
}

// From the 0xFF after the start on.
void MjpegFrames::read_to_the_end() {
    for (int code = marker(); code != end_of_image;) {
        if (code == start_of_image) {
            next_byte();  // its third byte, by which it is found again
            fail("the JPEG is cut off by the next one");
        }
        if (!stands_alone(code)) skip_segment();
        if (code == start_of_scan)
            code = skip_scan();
        else if (next_byte() == 0xFF)
            code = marker();
        else
            fail("the JPEG is broken between its markers");
    }
}

// A frame that is cut off in a segment takes the start of the next one for the segment's rest.
void MjpegFrames::rescan_segment() {
    if (++rescans_ > max_rescans) return;
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(segment_);
    const auto position = std::search(from, bytes_.end(), start.begin(), start.end());
    if (position != bytes_.end()) stream_.put_back(&*position, static_cast<std::size_t>(bytes_.end() - position));
}

// After a 0xFF, any number of which may fill up.
int MjpegFrames::marker() {
    int code = next_byte();
    while (code == 0xFF) code = next_byte();
    return code;
}

void MjpegFrames::skip_segment() {
    segment_ = bytes_.size();
    const int high = next_byte();
    const int length = high << 8 | next_byte();
    if (length < 2) fail("the JPEG is broken between its markers");
    for (int i = 2; i < length; ++i) next_byte();
}

// To the next marker; in a scan, 0xFF 0 is a byte of data.
int MjpegFrames::skip_scan() {
    while (true) {
        if (next_byte() != 0xFF) continue;
        const int code = marker();
        if (code != 0 && !is_restart(code)) return code;
    }
}

int MjpegFrames::next_byte() {
    const int byte = stream_.next();
    if (byte < 0) fail("the stream ends within a JPEG");
    if (bytes_.size() >= max_bytes) fail("a JPEG of more than 64 MB");
    bytes_.push_back(static_cast<unsigned char>(byte));
    return byte;
}

namespace {

constexpr int half = 1 << 15;

constexpr int fixed(double factor) { return static_cast<int>(factor * 65536 + 0.5); }

std::uint8_t clamp_level(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

// What colour adds to the luma of two by two pixels.
struct Chroma {
    int red;
    int green;
    int blue;
};

Chroma chroma_of(int cb, int cr) {
    return {(fixed(1.402) * cr + half) >> 16, (-fixed(0.34414) * cb - fixed(0.71414) * cr + half) >> 16, (fixed(1.772) * cb + half) >> 16};
}

void put(int luma, const Chroma& with, std::uint8_t* to) {
    to[0] = clamp_level(luma + with.red);
    to[1] = clamp_level(luma + with.green);
    to[2] = clamp_level(luma + with.blue);
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
        const Chroma with = chroma_of(blue[x / 2] - 128, red[x / 2] - 128);
        put(luma[x], with, to + 3 * x);
        if (x + 1 < width_) put(luma[x + 1], with, to + 3 * (x + 1));
    }
}

}  // namespace nnrun
