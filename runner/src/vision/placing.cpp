#include "vision/placing.h"

#include <algorithm>

namespace nnrun {
namespace {

// A size that overflowed is told as the whole picture.
double clipped(double at, int length) { return std::min(std::max(at, 0.0), static_cast<double>(length)); }

}  // namespace

Corners Placing::back(const Corners& inside) const {
    return {clipped(x.back(inside[0]), width), clipped(y.back(inside[1]), height), clipped(x.back(inside[2]), width),
            clipped(y.back(inside[3]), height)};
}

}  // namespace nnrun
