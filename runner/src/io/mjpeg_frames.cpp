#include "io/mjpeg_frames.h"

#include <algorithm>
#include <array>

#include "core/clock.h"
#include "core/failure.h"
#include "io/decode.h"

namespace nnrun {
namespace {

constexpr int start_of_image = 0xD8;
constexpr int end_of_image = 0xD9;
constexpr int start_of_scan = 0xDA;
constexpr std::array<unsigned char, 3> start{0xFF, start_of_image, 0xFF};
constexpr std::size_t most_bytes = std::size_t{64} << 20;
// Broken frames in a row whose last segment is looked through: a segment full of starts would
// else be read again for each of them.
constexpr int most_looks = 8;

bool is_restart(int code) { return code >= 0xD0 && code <= 0xD7; }
// Markers without a segment.
bool stands_alone(int code) { return is_restart(code) || code == 0x01; }

[[noreturn]] void fail(const std::string& problem) { throw Failure(Exit::input, problem); }

}  // namespace

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
        looks_ = 0;
    } catch (const Failure&) {
        look_again();
        throw;
    }
}

// From the 0xFF after the start on.
void MjpegFrames::read_to_the_end() {
    for (int code = marker(); code != end_of_image;) {
        if (code == start_of_image) {
            take();  // its third byte, by which it is found again
            fail("the JPEG is cut off by the next one");
        }
        if (!stands_alone(code)) skip_segment();
        if (code == start_of_scan)
            code = skip_scan();
        else if (take() == 0xFF)
            code = marker();
        else
            fail("the JPEG is broken between its markers");
    }
}

// A frame that is cut off in a segment takes the start of the next one for the segment's rest.
void MjpegFrames::look_again() {
    if (++looks_ > most_looks) return;
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(segment_);
    const auto found = std::search(from, bytes_.end(), start.begin(), start.end());
    if (found != bytes_.end()) stream_.put_back(&*found, static_cast<std::size_t>(bytes_.end() - found));
}

// After a 0xFF, any number of which may fill up.
int MjpegFrames::marker() {
    int code = take();
    while (code == 0xFF) code = take();
    return code;
}

void MjpegFrames::skip_segment() {
    segment_ = bytes_.size();
    const int high = take();
    const int length = high << 8 | take();
    if (length < 2) fail("the JPEG is broken between its markers");
    for (int i = 2; i < length; ++i) take();
}

// To the next marker; in a scan, 0xFF 0 is a byte of data.
int MjpegFrames::skip_scan() {
    while (true) {
        if (take() != 0xFF) continue;
        const int code = marker();
        if (code != 0 && !is_restart(code)) return code;
    }
}

int MjpegFrames::take() {
    const int byte = stream_.next();
    if (byte < 0) fail("the stream ends within a JPEG");
    if (bytes_.size() >= most_bytes) fail("a JPEG of more than 64 MB");
    bytes_.push_back(static_cast<unsigned char>(byte));
    return byte;
}

}  // namespace nnrun
