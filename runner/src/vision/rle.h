#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "vision/objects.h"

namespace nnrun {

// Grows a mask pixel by pixel, down the columns.
class MaskPen {
public:
    explicit MaskPen(Mask& mask);

    void put(bool inside, std::size_t pixels) {
        if (pixels == 0) return;
        if (inside != inside_) turn();
        mask_.runs.back() += static_cast<std::uint32_t>(pixels);
    }

private:
    void turn();

    Mask& mask_;
    bool inside_ = false;
};

std::size_t area(const Mask& mask);

// COCO's compressed counts: of each run the difference to the run two before it (the first three
// as they are), in groups of five bits, the lowest first. A group is the character 48 + its bits,
// + 32 where another group follows; the last one's highest bit is the sign.
std::string compressed(const Mask& mask);

}  // namespace nnrun
