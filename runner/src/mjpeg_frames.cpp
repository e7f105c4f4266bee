#include "mjpeg_frames.h"

#include "clock.h"
#include "decode.h"
#include "failure.h"

namespace nnrun {
namespace {

constexpr int start_of_image = 0xD8;
constexpr int end_of_image = 0xD9;
constexpr int start_of_scan = 0xDA;
constexpr std::size_t most_bytes = std::size_t{64} << 20;

bool is_restart(int code) { return code >= 0xD0 && code <= 0xD7; }
// Markers without a segment.
bool stands_alone(int code) { return is_restart(code) || code == 0x01; }

[[noreturn]] void cut_off() { throw Failure(Exit::input, "the stream ends within a JPEG"); }

}  // namespace

bool MjpegFrames::next(Frame& frame) {
    frame.is_file = false;
    if (!started_ && !find_start()) return false;
    started_ = false;
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

// From the 0xFF after the start on.
void MjpegFrames::read_frame() {
    bytes_.assign({0xFF, start_of_image, 0xFF});
    for (int code = marker(); code != end_of_image;) {
        if (code == start_of_image) {
            // Its first two bytes are behind us.
            if (take() == 0xFF) started_ = true;
            throw Failure(Exit::input, "the JPEG is cut off by the next one");
        }
        if (!stands_alone(code) && !skip_segment()) throw Failure(Exit::input, "the JPEG is broken between its markers");
        code = code == start_of_scan ? skip_scan() : take() == 0xFF ? marker() : 0;
        if (code == 0) throw Failure(Exit::input, "the JPEG is broken between its markers");
    }
}

// After a 0xFF, any number of which may fill up.
int MjpegFrames::marker() {
    int code = take();
    while (code == 0xFF) code = take();
    return code;
}

bool MjpegFrames::skip_segment() {
    const int high = take();
    const int length = high << 8 | take();
    for (int i = 2; i < length; ++i) take();
    return length >= 2;
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
    if (byte < 0) cut_off();
    if (bytes_.size() >= most_bytes) throw Failure(Exit::input, "a JPEG of more than 64 MB");
    bytes_.push_back(static_cast<unsigned char>(byte));
    return byte;
}

}  // namespace nnrun
