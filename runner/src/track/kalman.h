#pragma once

#include <array>

#include "vision/placing.h"

namespace nnrun {

// A box that moves and changes at constant velocity: its centre x, centre y, width / height and
// height, with the noise of ByteTrack. Four filters of two numbers each, as in
// piyard/tracking/kalman.py, whose operations these are one by one.
class Kalman {
public:
    using Four = std::array<double, 4>;

    // Seen for the first time.
    explicit Kalman(const Corners& box);

    // A frame later.
    void predict();
    // The box was seen.
    void correct(const Corners& box);
    // Of an object out of sight nobody knows whether it still grows.
    void steady_height() { speed_[3] = 0; }

    // Where the object is believed to be.
    Corners box() const;

private:
    Four place_;
    Four speed_{};  // the change a frame
    Four place_variance_;
    Four covariance_{};
    Four speed_variance_;
};

}  // namespace nnrun
