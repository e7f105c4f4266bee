#pragma once

#include <vector>

#include "vision/objects.h"

namespace nnrun {

// Objects of earlier pictures: later ones take over the memory of their keypoints and masks.
class SpareObjects {
public:
    // Empties the vector.
    void keep(std::vector<Object>& objects);
    // A new one, without keypoints or a mask.
    Object take();

private:
    std::vector<Object> spare_;
};

}  // namespace nnrun
