#include "vision/objects.h"

#include <algorithm>
#include <utility>

namespace nnrun {
namespace {

// A size that overflowed becomes the whole picture.
double clipped(double at, int length) { return std::min(std::max(at, 0.0), static_cast<double>(length)); }

}  // namespace

Corners ImageTransform::to_picture(const Corners& input) const {
    return clip({x.to_picture(input[0]), y.to_picture(input[1]), x.to_picture(input[2]), y.to_picture(input[3])});
}

Corners ImageTransform::clip(const Corners& picture) const {
    return {clipped(picture[0], width), clipped(picture[1], height), clipped(picture[2], width), clipped(picture[3], height)};
}

// The last one first: so the best object of a picture gets the memory of the best one before.
void ObjectPool::recycle(std::vector<Object>& objects) {
    for (; !objects.empty(); objects.pop_back()) pool_.push_back(std::move(objects.back()));
}

Object ObjectPool::acquire() {
    Object fresh;
    if (pool_.empty()) return fresh;
    fresh.keypoints.swap(pool_.back().keypoints);
    fresh.mask.runs.swap(pool_.back().mask.runs);
    fresh.keypoints.clear();
    fresh.mask.runs.clear();
    pool_.pop_back();
    return fresh;
}

namespace {

void append(std::int64_t value, std::string& text) {
    for (bool more = true; more;) {
        const std::int64_t group = value & 31;
        value >>= 5;
        const bool negative = (group & 16) != 0;
        more = value != (negative ? -1 : 0);
        text.push_back(static_cast<char>(48 + group + (more ? 32 : 0)));
    }
}

}  // namespace

MaskPen::MaskPen(Mask& mask) : mask_(mask) { mask_.runs.assign(1, 0); }

void MaskPen::turn() {
    mask_.runs.push_back(0);
    inside_ = !inside_;
}

std::size_t area(const Mask& mask) {
    std::size_t pixels = 0;
    for (std::size_t i = 1; i < mask.runs.size(); i += 2) pixels += mask.runs[i];
    return pixels;
}

std::string compressed(const Mask& mask) {
    std::string text;
    text.reserve(2 * mask.runs.size());
    for (std::size_t i = 0; i < mask.runs.size(); ++i) {
        const std::int64_t before = i > 2 ? mask.runs[i - 2] : 0;
        append(std::int64_t{mask.runs[i]} - before, text);
    }
    return text;
}

}  // namespace nnrun
