#include "vision/boxes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace nnrun {
namespace {

double sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

double area(const Corners& box) { return std::max(box[2] - box[0], 0.0) * std::max(box[3] - box[1], 0.0); }

}  // namespace

bool better(const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.place != b.place ? a.place < b.place : a.label < b.label;
}

double overlap(const Corners& a, const Corners& b) {
    const double shared = area({std::max(a[0], b[0]), std::max(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3])});
    const double all = area(a) + area(b) - shared;
    return all > 0 ? shared / all : 0;
}

bool suppressed(const Candidate& candidate, const std::vector<Candidate>& kept, double max_overlap) {
    return std::any_of(kept.begin(), kept.end(), [&](const Candidate& other) {
        return other.label == candidate.label && overlap(other.box, candidate.box) > max_overlap;
    });
}

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
    Corners corners{};
    for (int i = 0; i < 4; ++i) corners[static_cast<std::size_t>(i)] = maps.value(place, first + i);
    return corners;
}

Corners scaled(Corners sides, int stride) {
    for (double& side : sides) side *= stride;
    return sides;
}

}  // namespace

Corners sides_at(const HeadPlan& head, const Maps& maps, const Place& place) {
    if (head.bins == 1) return scaled(values(maps, place), place.stride);
    Corners sides{};
    for (int i = 0; i < 4; ++i)
        sides[static_cast<std::size_t>(i)] = expected(maps, place, maps.layout().box.begin + i * head.bins, head.bins) * place.stride;
    return sides;
}

namespace {

Corners yolox(const Corners& values, const Place& place) {
    const Point at = corner(place);
    const Point middle{at.x + values[0] * place.stride, at.y + values[1] * place.stride};
    const double half_width = std::exp(values[2]) * place.stride / 2;
    const double half_height = std::exp(values[3]) * place.stride / 2;
    return around(middle, {half_width, half_height, half_width, half_height});
}

Corners anchored(const Corners& values, const Place& place, const Level& level) {
    const auto share = [](double value) { return 2 * sigmoid(value); };
    const Point at = corner(place);
    const Point middle{at.x + (share(values[0]) - 0.5) * place.stride, at.y + (share(values[1]) - 0.5) * place.stride};
    const double width = share(values[2]) * share(values[2]) * level.anchor_width;
    const double height = share(values[3]) * share(values[3]) * level.anchor_height;
    return around(middle, {width / 2, height / 2, width / 2, height / 2});
}

// torchvision's anchors are centred on corners of places, not on their middles.
Corners fcos(const Corners& values, const Place& place) {
    Corners sides = values;
    for (double& side : sides) side = std::max(side, 0.0) * place.stride;
    return around(corner(place), sides);
}

}  // namespace

Corners box_at(const HeadPlan& head, const Maps& maps, const Place& place) {
    if (head.kind == "yolov8" || head.kind == "nanodet") return around(centre(place), sides_at(head, maps, place));
    if (head.kind == "yolox") return yolox(values(maps, place), place);
    if (head.kind == "yolov5") return anchored(values(maps, place), place, maps.levels()[static_cast<std::size_t>(place.level)]);
    if (head.kind == "rtmdet") return around(corner(place), values(maps, place));
    return fcos(values(maps, place), place);
}

namespace {

// Places scanned together: a few vectors of the best logit so far.
constexpr int block = 32;
using Block = std::array<float, block>;

// Below every logit whose sigmoid is `score` or more: whatever is above it is computed exactly.
float safe_logit(double score) {
    constexpr double saturated = 30;  // beyond it, sigmoids are one as far as floats can tell
    const double logit = std::log(score) - std::log1p(-score);
    return static_cast<float>(std::min(logit, saturated) - 1e-3);
}

void largest(const Level& level, Range classes, int at, Block& best) {
    best.fill(-std::numeric_limits<float>::infinity());
    const int count = std::min(block, level.places() - at);
    for (int channel = classes.begin; channel < classes.end; ++channel) {
        const float* const logits = level.planes[static_cast<std::size_t>(channel)] + at;
        if (count == block)
            for (std::size_t i = 0; i < block; ++i) best[i] = logits[i] > best[i] ? logits[i] : best[i];
        else
            for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) best[i] = logits[i] > best[i] ? logits[i] : best[i];
    }
}

class Scan {
public:
    Scan(const HeadPlan& head, const Maps& maps, std::vector<Candidate>& candidates)
        : head_(head), layout_(maps.layout()), every_class_(head.every_class()), root_(head.kind == "fcos"), candidates_(candidates) {
        // The root of a product of two sigmoids: neither of them may be below the square.
        limit_ = safe_logit(root_ ? head.score * head.score : head.score);
    }

    void scan(const Level& level) {
        Block best;
        for (int at = 0; at < level.places(); at += block) {
            largest(level, layout_.classes, at, best);
            const int count = std::min(block, level.places() - at);
            for (int i = 0; i < count; ++i)
                if (best[static_cast<std::size_t>(i)] >= limit_) scan_place(level, at + i, best[static_cast<std::size_t>(i)]);
        }
    }

private:
    static float logit(const Level& level, int channel, int place) { return level.planes[static_cast<std::size_t>(channel)][place]; }

    void scan_place(const Level& level, int place, float best) {
        const bool has_object = layout_.object.size() > 0;
        const float object = has_object ? logit(level, layout_.object.begin, place) : 0;
        if (has_object && object < limit_) return;
        const double factor = has_object ? sigmoid(object) : 1;
        for (int channel = layout_.classes.begin; channel < layout_.classes.end; ++channel) {
            const float here = logit(level, channel, place);
            if (every_class_ ? here < limit_ : here != best) continue;
            add_candidate(level.first + place, channel - layout_.classes.begin, sigmoid(here) * factor);
            if (!every_class_) return;
        }
    }

    void add_candidate(int place, int label, double product) {
        const double score = root_ ? std::sqrt(product) : product;
        if (score >= head_.score) candidates_.push_back({place, label, score, {}});
    }

    const HeadPlan& head_;
    const Layout& layout_;
    bool every_class_;
    bool root_;
    float limit_ = 0;
    std::vector<Candidate>& candidates_;
};

}  // namespace

void find_candidates(const HeadPlan& head, const Maps& maps, std::vector<Candidate>& candidates) {
    Scan scan(head, maps, candidates);
    for (const Level& level : maps.levels()) scan.scan(level);
}

}  // namespace nnrun
