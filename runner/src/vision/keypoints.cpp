#include "vision/keypoints.h"

#include <cmath>

namespace nnrun {
namespace {

float sigmoid(double logit) { return static_cast<float>(1 / (1 + std::exp(-logit))); }

double inside(float value, int place, int stride) { return static_cast<double>(value) * 2 * stride + place * stride; }

}  // namespace

void read_keypoints(const Maps& maps, const Placing& placing, Object& object) {
    const Place place = maps.place(object.place);
    const Range values = maps.layout().extra;
    object.keypoints.clear();
    for (int channel = values.begin; channel + 2 < values.end; channel += 3) {
        const double x = inside(maps.value(place, channel), place.column, place.stride);
        const double y = inside(maps.value(place, channel + 1), place.row, place.stride);
        object.keypoints.push_back({static_cast<float>(placing.x.back(x)), static_cast<float>(placing.y.back(y)),
                                    sigmoid(maps.value(place, channel + 2))});
    }
}

}  // namespace nnrun
