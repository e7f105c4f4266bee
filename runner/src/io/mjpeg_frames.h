#pragma once

#include <vector>

#include "io/byte_stream.h"
#include "io/inputs.h"

namespace nnrun {

// JPEGs one after another on standard input, as rpicam-vid and ffmpeg write them. What stands
// between them is skipped. They are told apart by their markers (ITU-T T.81, annex B): a
// thumbnail within a segment is no frame.
class MjpegFrames : public Inputs {
public:
    bool next(Frame& frame) override;

private:
    bool find_start();
    void read_frame();
    void read_to_the_end();
    void look_again();
    int marker();
    void skip_segment();
    int skip_scan();
    int take();

    ByteStream stream_;
    std::vector<unsigned char> bytes_;  // of the frame so far
    std::size_t segment_ = 0;           // where its last segment so far begins
    int looks_ = 0;                     // since the last whole frame
};

}  // namespace nnrun
