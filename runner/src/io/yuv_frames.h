#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "io/byte_stream.h"
#include "io/inputs.h"

namespace nnrun {

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
