#include "vision/mask_span.h"

#include <algorithm>
#include <cmath>

namespace nnrun {
namespace {

// The first pixel whose centre is not before `at`.
int first_centre(double at, int length) {
    return static_cast<int>(std::clamp(std::ceil(at - 0.5), 0.0, static_cast<double>(length)));
}

}  // namespace

void MaskSpan::place(double from, double to, int length, const Axis& axis, int input, int prototypes) {
    prototypes_ = prototypes;
    begin_ = first_centre(from, length);
    end_ = std::max(begin_, first_centre(to, length));
    samples_.clear();
    cells_.clear();
    for (int pixel = begin_; pixel < end_; ++pixel) {
        const double at = axis.into(pixel + 0.5) * prototypes / input - 0.5;
        const double inside = std::clamp(at, 0.0, static_cast<double>(prototypes - 1));
        const int before = static_cast<int>(inside);
        add({before, static_cast<float>(inside - before)});
    }
}

void MaskSpan::add(const Sample& sample) {
    const int at = static_cast<int>(samples_.size());
    if (cells_.empty() || cells_.back().first != sample.first) cells_.push_back({sample.first, at, at});
    cells_.back().end = at + 1;
    samples_.push_back(sample);
}

}  // namespace nnrun
