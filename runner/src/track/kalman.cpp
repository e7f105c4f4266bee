#include "track/kalman.h"

namespace nnrun {
namespace {

// Standard deviations, in heights of the box.
constexpr double position = 1.0 / 20;
constexpr double velocity = 1.0 / 160;

Kalman::Four measured(const Corners& box) {
    const double width = box[2] - box[0];
    const double height = box[3] - box[1];
    return {box[0] + width / 2, box[1] + height / 2, width / height, height};
}

// Of lengths with that standard deviation, and of `proportions` between them.
Kalman::Four variance(double deviation, double proportions) {
    const double length = deviation * deviation;
    return {length, length, proportions * proportions, length};
}

}  // namespace

Kalman::Kalman(const Corners& box)
    : place_(measured(box)),
      place_variance_(variance(2 * position * place_[3], 1e-2)),
      speed_variance_(variance(10 * velocity * place_[3], 1e-5)) {}

void Kalman::predict() {
    const Four place_noise = variance(position * place_[3], 1e-2);
    const Four speed_noise = variance(velocity * place_[3], 1e-5);
    for (std::size_t i = 0; i < 4; ++i) {
        const double shared = covariance_[i] + speed_variance_[i];
        place_[i] += speed_[i];
        place_variance_[i] = place_variance_[i] + covariance_[i] + shared + place_noise[i];
        covariance_[i] = shared;
        speed_variance_[i] += speed_noise[i];
    }
}

void Kalman::correct(const Corners& box) {
    const Four seen = measured(box);
    const Four noise = variance(position * place_[3], 1e-1);
    for (std::size_t i = 0; i < 4; ++i) {
        const double total = place_variance_[i] + noise[i];
        const double place_gain = place_variance_[i] / total;
        const double speed_gain = covariance_[i] / total;
        const double innovation = seen[i] - place_[i];
        place_[i] += place_gain * innovation;
        speed_[i] += speed_gain * innovation;
        place_variance_[i] -= place_gain * place_variance_[i];
        speed_variance_[i] -= speed_gain * covariance_[i];
        covariance_[i] -= place_gain * covariance_[i];
    }
}

Corners Kalman::box() const {
    const double width = place_[2] * place_[3];
    const double left = place_[0] - width / 2;
    const double top = place_[1] - place_[3] / 2;
    return {left, top, left + width, top + place_[3]};
}

}  // namespace nnrun
