#pragma once

#include <memory>
#include <vector>

#include "io/inputs.h"

namespace nnrun {

// Of a live MJPEG stream on standard input always the newest frame: a thread reads on while one is
// looked at, and what is older is dropped, counted and never decoded. Without a frame for
// `silence_s` seconds the stream has ended.
class LatestFrames : public Inputs {
public:
    explicit LatestFrames(double silence_s);
    bool next(Frame& frame) override;
    const char* ending() const override { return silent_ ? "silent" : "end"; }

private:
    struct Slot;

    static void read_on(const std::shared_ptr<Slot>& slot);

    double silence_s_;
    bool silent_ = false;
    std::shared_ptr<Slot> slot_;
    std::vector<unsigned char> bytes_;
};

}  // namespace nnrun
