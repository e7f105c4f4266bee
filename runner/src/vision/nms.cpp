#include "vision/nms.h"

#include <algorithm>

namespace nnrun {
namespace {

double area(const Corners& box) { return std::max(box[2] - box[0], 0.0) * std::max(box[3] - box[1], 0.0); }

}  // namespace

bool better(const Candidate& one, const Candidate& other) {
    if (one.score != other.score) return one.score > other.score;
    return one.place != other.place ? one.place < other.place : one.label < other.label;
}

double overlap(const Corners& one, const Corners& other) {
    const double shared = area({std::max(one[0], other[0]), std::max(one[1], other[1]), std::min(one[2], other[2]), std::min(one[3], other[3])});
    const double all = area(one) + area(other) - shared;
    return all > 0 ? shared / all : 0;
}

bool suppressed(const Candidate& one, const std::vector<Candidate>& kept, double most) {
    return std::any_of(kept.begin(), kept.end(),
                       [&](const Candidate& other) { return other.label == one.label && overlap(other.box, one.box) > most; });
}

}  // namespace nnrun
