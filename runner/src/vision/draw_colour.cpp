#include "vision/draw_colour.h"

#include <algorithm>
#include <cmath>

namespace nnrun {
namespace {

constexpr double golden_turn = 0.6180339887498949;
constexpr double first_hue = 0.04;

// Of a hue (0..1), how much there is of the primary colour whose own hue is `peak` sixths.
double share(double hue, double peak) {
    const double away = std::fabs(std::remainder(hue * 6 - peak, 6.0));
    return std::clamp(2 - away, 0.0, 1.0);
}

std::uint8_t level(double share) {
    constexpr double darkest = 40;
    constexpr double brightest = 245;
    return static_cast<std::uint8_t>(darkest + (brightest - darkest) * share);
}

}  // namespace

Colour distinct_colour(int index) {
    const double turns = first_hue + index * golden_turn;
    const double hue = turns - std::floor(turns);
    return {level(share(hue, 0)), level(share(hue, 2)), level(share(hue, 4))};
}

Colour readable_on(Colour ground) {
    // Luma of ITU-R BT.601.
    const int luma = (299 * ground.red + 587 * ground.green + 114 * ground.blue) / 1000;
    return luma > 120 ? Colour{0, 0, 0} : Colour{255, 255, 255};
}

}  // namespace nnrun
