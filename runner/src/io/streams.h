#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/inputs.h"

namespace nnrun {

// Standard input, byte by byte, in one buffer that stays. Where it cannot be read there is a
// Failure with Exit::input, and then its end.
class ByteStream {
public:
    // The next byte, or -1 at the end.
    int next() { return at_ < end_ || fill() ? buffer_[at_++] : -1; }
    // As many as there are up to `count`; fewer only at the end.
    std::size_t read(unsigned char* to, std::size_t count);
    // They come next, again.
    void put_back(const unsigned char* bytes, std::size_t count);

private:
    bool fill();

    std::vector<unsigned char> buffer_ = std::vector<unsigned char>(1 << 16);
    std::size_t at_ = 0;
    std::size_t end_ = 0;
    bool ended_ = false;
};

// JPEGs one after another on standard input, as rpicam-vid and ffmpeg write them. What stands
// between them is skipped. They are separated by their markers (ITU-T T.81, annex B): a
// thumbnail within a segment is not a frame.
class MjpegFrames : public Inputs {
public:
    bool next(Frame& frame) override;
    // The next whole JPEG as it is. Also throws Failures as `next` does.
    bool next_bytes(std::vector<unsigned char>& bytes);

private:
    bool find_start();
    void read_frame();
    void read_to_the_end();
    void rescan_segment();
    int marker();
    void skip_segment();
    int skip_scan();
    int next_byte();

    ByteStream stream_;
    std::vector<unsigned char> bytes_;  // of the frame so far
    std::size_t segment_ = 0;           // where its last segment so far begins
    int rescans_ = 0;                   // since the last whole frame
};

// Raw I420 frames on standard input, as `rpicam-vid --codec yuv420` writes them: all Y, then Cb,
// then Cr, each of the latter for two by two pixels (of an odd side, the last one for one).
// BT.601 in full range, which is JPEG's and rpicam-vid's own (sYCC):
//   R = Y + 1.402 Cr,  G = Y - 0.34414 Cb - 0.71414 Cr,  B = Y + 1.772 Cb,  Cb and Cr less 128,
// in 16-bit fixed point as libjpeg computes it.
class YuvFrames : public Inputs {
public:
    YuvFrames(int width, int height);
    bool next(Frame& frame) override;

private:
    void convert_row(const std::uint8_t* luma, const std::uint8_t* blue, const std::uint8_t* red, std::uint8_t* to) const;

    int width_;
    int height_;
    std::vector<std::uint8_t> bytes_;
    ByteStream stream_;
};

}  // namespace nnrun
