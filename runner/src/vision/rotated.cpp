#include "vision/rotated.h"

#include <algorithm>
#include <cmath>

#include "vision/boxes.h"

namespace nnrun {
namespace {

constexpr double pi = 3.14159265358979323846;

double angle_at(const HeadPlan& head, const Maps& maps, const Place& place) {
    const double value = maps.value(place, maps.layout().extra.begin);
    return head.radians ? value : (1 / (1 + std::exp(-value)) - 0.25) * pi;
}

}  // namespace

RotatedBox rotated_box_at(const HeadPlan& head, const Maps& maps, const Place& place) {
    const Corners sides = sides_at(head, maps, place);
    const double angle = angle_at(head, maps, place);
    const double across = (sides[2] - sides[0]) / 2;
    const double down = (sides[3] - sides[1]) / 2;
    const double cosine = std::cos(angle);
    const double sine = std::sin(angle);
    const double x = static_cast<double>(place.column) * place.stride + place.stride / 2.0;
    const double y = static_cast<double>(place.row) * place.stride + place.stride / 2.0;
    return {x + (across * cosine - down * sine), y + (across * sine + down * cosine), sides[0] + sides[2], sides[1] + sides[3], angle};
}

namespace {

// As Python has it: never negative.
double modulo(double value, double by) {
    const double rest = std::fmod(value, by);
    return rest < 0 ? rest + by : rest;
}

RotatedBox regularised(const RotatedBox& box) {
    const bool swapped = modulo(box.angle, pi) >= pi / 2;
    return {box.x, box.y, swapped ? box.height : box.width, swapped ? box.width : box.height, modulo(box.angle, pi / 2)};
}

}  // namespace

// Where the two directions are not scaled alike the box becomes a parallelogram: its sides keep their
// lengths, and the angle is that of its width.
RotatedBox to_picture(const RotatedBox& box, const ImageTransform& transform) {
    const double scale_x = transform.x.length / transform.x.scaled;
    const double scale_y = transform.y.length / transform.y.scaled;
    const double cosine = std::cos(box.angle);
    const double sine = std::sin(box.angle);
    const Point along{cosine * scale_x, sine * scale_y};
    const Point across{-sine * scale_x, cosine * scale_y};
    return regularised({transform.x.to_picture(box.x), transform.y.to_picture(box.y),
                        box.width * std::sqrt(along.x * along.x + along.y * along.y),
                        box.height * std::sqrt(across.x * across.x + across.y * across.y), std::atan2(along.y, along.x)});
}

Corners enclosing(const RotatedBox& box) {
    const double cosine = std::fabs(std::cos(box.angle));
    const double sine = std::fabs(std::sin(box.angle));
    const double across = (box.width * cosine + box.height * sine) / 2;
    const double down = (box.width * sine + box.height * cosine) / 2;
    return {box.x - across, box.y - down, box.x + across, box.y + down};
}

std::array<Point, 4> corners_of(const RotatedBox& box) {
    const double cosine = std::cos(box.angle);
    const double sine = std::sin(box.angle);
    const Point along{box.width / 2 * cosine, box.width / 2 * sine};
    const Point across{-box.height / 2 * sine, box.height / 2 * cosine};
    return {{{box.x + along.x + across.x, box.y + along.y + across.y},
             {box.x + along.x - across.x, box.y + along.y - across.y},
             {box.x - along.x - across.x, box.y - along.y - across.y},
             {box.x - along.x + across.x, box.y - along.y + across.y}}};
}

Gaussian::Gaussian(const RotatedBox& box) : x(box.x), y(box.y) {
    const double width = box.width * box.width / 12;
    const double height = box.height * box.height / 12;
    const double cosine = std::cos(box.angle);
    const double sine = std::sin(box.angle);
    xx = width * cosine * cosine + height * sine * sine;
    yy = width * sine * sine + height * cosine * cosine;
    xy = (width - height) * cosine * sine;
    volume = std::max(xx * yy - xy * xy, 0.0);
    const double longer = std::max(box.width, box.height);
    reach = longer * longer;
}

namespace {

// Ultralytics' own: what keeps its divisions and logarithms finite, and its largest distance.
constexpr double epsilon = 1e-7;
constexpr double farthest = 100;

}  // namespace

double likeness(const Gaussian& a, const Gaussian& b) {
    const double xx = a.xx + b.xx;
    const double yy = a.yy + b.yy;
    const double xy = a.xy + b.xy;
    const double x = a.x - b.x;
    const double y = a.y - b.y;
    const double volume = xx * yy - xy * xy;
    const double distance = (xx * y * y + yy * x * x) / (volume + epsilon) * 0.25 - (xy * x * y) / (volume + epsilon) * 0.5 +
                            std::log(volume / (4 * std::sqrt(a.volume * b.volume) + epsilon) + epsilon) * 0.5;
    return 1 - std::sqrt(1 - std::exp(-std::clamp(distance, epsilon, farthest)) + epsilon);
}

namespace {

// The largest Bhattacharyya distance of boxes that are more alike than that.
double distance_limit(double max_likeness) {
    const double rest = 1 - (1 - max_likeness) * (1 - max_likeness);
    return rest > 0 ? 1.001 * -std::log(rest) : farthest;
}

}  // namespace

RotatedFilter::RotatedFilter(double max_likeness) : max_likeness_(max_likeness), max_distance_(distance_limit(max_likeness)) {}

// A variance is at most a twelfth of the longer side's square, so that the distance is at least three
// times the centres' squared distance over the sum of those squares: boxes farther apart are not compared.
bool RotatedFilter::add(int label, const RotatedBox& box) {
    const Gaussian gaussian(box);
    const auto alike = [&](const Seen& other) {
        if (other.label != label) return false;
        const double x = other.gaussian.x - gaussian.x;
        const double y = other.gaussian.y - gaussian.y;
        const bool near = 3 * (x * x + y * y) <= max_distance_ * (gaussian.reach + other.gaussian.reach) + 1;
        return near && likeness(other.gaussian, gaussian) > max_likeness_;
    };
    const bool stays = std::none_of(seen_.begin(), seen_.end(), alike);
    seen_.push_back({label, gaussian});
    return stays;
}

}  // namespace nnrun
