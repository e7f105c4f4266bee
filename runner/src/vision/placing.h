#pragma once

#include <array>

namespace nnrun {

// One direction: `length` pixels of the picture from `start` on became `made` of the input from
// `margin` on.
struct Axis {
    double length = 1;
    double made = 1;
    double margin = 0;
    double start = 0;

    double back(double inside) const { return (inside - margin) * length / made + start; }
    double into(double outside) const { return (outside - start) * made / length + margin; }
};

// x0, y0, x1, y1, as exact as the desktop's reference computes them.
using Corners = std::array<double, 4>;

// Where a picture lies in the net's input, and the way back for what was found there.
struct Placing {
    int width = 0;  // of the picture
    int height = 0;
    Axis x;
    Axis y;

    // Clipped to the picture.
    Corners back(const Corners& inside) const;
};

}  // namespace nnrun
