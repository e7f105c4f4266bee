#include "vision/spare_objects.h"

#include <utility>

namespace nnrun {

// The last one first: so the best object of a picture gets the memory of the best one before.
void SpareObjects::keep(std::vector<Object>& objects) {
    for (; !objects.empty(); objects.pop_back()) spare_.push_back(std::move(objects.back()));
}

Object SpareObjects::take() {
    Object fresh;
    if (spare_.empty()) return fresh;
    fresh.keypoints.swap(spare_.back().keypoints);
    fresh.mask.runs.swap(spare_.back().mask.runs);
    fresh.keypoints.clear();
    fresh.mask.runs.clear();
    spare_.pop_back();
    return fresh;
}

}  // namespace nnrun
