#pragma once

#include <cstdint>

namespace nnrun {

struct Colour {
    std::uint8_t red;
    std::uint8_t green;
    std::uint8_t blue;
};

// A strong colour for each index from 0 on, unlike those of its neighbours: their hues are the
// golden ratio of a turn apart.
Colour distinct_colour(int index);

// Black or white, whichever is easier to read there.
Colour readable_on(Colour ground);

}  // namespace nnrun
