#include "vision/sides.h"

#include <algorithm>
#include <cmath>

namespace nnrun {
namespace {

struct Point {
    double x;
    double y;
};

Point corner(const Place& place) {
    return {static_cast<double>(place.column) * place.stride, static_cast<double>(place.row) * place.stride};
}

Point centre(const Place& place) {
    const Point at = corner(place);
    return {at.x + place.stride / 2.0, at.y + place.stride / 2.0};
}

// `sides`: left, top, right, bottom.
Corners around(const Point& point, const Corners& sides) {
    return {point.x - sides[0], point.y - sides[1], point.x + sides[2], point.y + sides[3]};
}

// The mean of 0..bins-1 under their softmax: the integral of Generalized Focal Loss (Li et al. 2020).
double expected(const Maps& maps, const Place& place, int first, int bins) {
    double top = maps.value(place, first);
    for (int i = 1; i < bins; ++i) top = std::max(top, static_cast<double>(maps.value(place, first + i)));
    double sum = 0;
    double weighted = 0;
    for (int i = 0; i < bins; ++i) {
        const double power = std::exp(maps.value(place, first + i) - top);
        sum += power;
        weighted += power * i;
    }
    return weighted / sum;
}

Corners values(const Maps& maps, const Place& place) {
    const int first = maps.layout().box.begin;
    Corners found{};
    for (int i = 0; i < 4; ++i) found[static_cast<std::size_t>(i)] = maps.value(place, first + i);
    return found;
}

Corners distributed(const Maps& maps, const Place& place, int bins) {
    Corners sides{};
    for (int i = 0; i < 4; ++i)
        sides[static_cast<std::size_t>(i)] = expected(maps, place, maps.layout().box.begin + i * bins, bins) * place.stride;
    return around(centre(place), sides);
}

Corners yolox(const Corners& told, const Place& place) {
    const Point at = corner(place);
    const Point middle{at.x + told[0] * place.stride, at.y + told[1] * place.stride};
    const double half_width = std::exp(told[2]) * place.stride / 2;
    const double half_height = std::exp(told[3]) * place.stride / 2;
    return around(middle, {half_width, half_height, half_width, half_height});
}

// torchvision's anchors are centred on corners of places, not on their middles.
Corners fcos(const Corners& told, const Place& place) {
    Corners sides = told;
    for (double& side : sides) side = std::max(side, 0.0) * place.stride;
    return around(corner(place), sides);
}

}  // namespace

Corners box_at(const HeadPlan& head, const Maps& maps, const Place& place) {
    if (head.kind == "yolov8" || head.kind == "nanodet") return distributed(maps, place, head.bins);
    if (head.kind == "yolox") return yolox(values(maps, place), place);
    if (head.kind == "rtmdet") return around(corner(place), values(maps, place));
    return fcos(values(maps, place), place);
}

}  // namespace nnrun
