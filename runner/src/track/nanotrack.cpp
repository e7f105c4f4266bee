#include "track/nanotrack.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "core/failure.h"
#include "core/quiet.h"
#include "core/rehearsal.h"
#include "net/probe.h"

namespace nnrun {
namespace {

// No side of a box becomes shorter.
constexpr double least_side = 10;

const char* const advice = "check --param, --template and --search";

ncnn::Mat square(int side) {
    ncnn::Mat input(side, side, 3);
    if (input.empty()) throw Failure(Exit::input, "not enough memory for the nets' inputs");
    return input;
}

// The mean of each channel, cut off to a whole level as the authors' code does.
std::array<std::uint8_t, 3> mean_levels(const Image& image) {
    std::array<std::uint64_t, 3> sums{};
    for (std::size_t at = 0; at < image.pixels.size(); at += 3)
        for (std::size_t c = 0; c < 3; ++c) sums[c] += image.pixels[at + c];
    const std::uint64_t count = image.pixels.size() / 3;
    return {static_cast<std::uint8_t>(sums[0] / count), static_cast<std::uint8_t>(sums[1] / count),
            static_cast<std::uint8_t>(sums[2] / count)};
}

void run(const Model& model, const ncnn::Mat* inputs, std::vector<ncnn::Mat>& outputs) {
    outputs.resize(model.outputs().size());
    if (model.run(inputs, outputs) != 0) throw Failure(Exit::input, "the inference failed; is there enough memory?");
}

void check_backbone(const Model& backbone) {
    if (backbone.outputs().size() != 1)
        throw Failure(Exit::model, backbone.request().param + ": the net has " + std::to_string(backbone.outputs().size()) +
                                       " outputs; NanoTrack's backbone has one");
}

}  // namespace

bool shows(const Corners& box, int width, int height) {
    return std::max(box[0], 0.0) < std::min(box[2], static_cast<double>(width)) &&
           std::max(box[1], 0.0) < std::min(box[3], static_cast<double>(height));
}

NanoTracker::NanoTracker(const Model& backbone, const Model& head, const NanotrackPlan& plan, const Levels& levels)
    : backbone_(backbone),
      head_(head),
      plan_(plan),
      levels_(levels),
      grid_(plan),
      template_input_(square(plan.template_side)),
      search_input_(square(plan.search_side)) {
    check_backbone(backbone);
}

Followed NanoTracker::begin(const Image& image, const Corners& box, Stages& ms) {
    Stopwatch watch;
    width_ = box[2] - box[0];
    height_ = box[3] - box[1];
    x_ = box[0] + (width_ - 1) / 2;
    y_ = box[1] + (height_ - 1) / 2;
    beyond_ = mean_levels(image);
    show(image, reach(), template_input_);
    ms.pre = watch.lap();
    run(backbone_, &template_input_, features_);
    pair_[0] = features_[0];
    ms.infer = watch.lap();
    return {box, 1};
}

Followed NanoTracker::step(const Image& image, Stages& ms) {
    Stopwatch watch;
    const double side = reach();
    show(image, side * (static_cast<double>(plan_.search_side) / plan_.template_side), search_input_);
    ms.pre = watch.lap();
    compare();
    ms.infer = watch.lap();
    const double scale = plan_.template_side / side;
    const Choice best = grid_.choose(compared_, width_ * scale, height_ * scale);
    move(best, scale, image);
    ms.post = watch.lap();
    const double left = x_ - width_ / 2;
    const double top = y_ - height_ / 2;
    return {{left, top, left + width_, top + height_}, best.score};
}

double NanoTracker::reach() const { return nnrun::reach(width_, height_, plan_.context); }

// So many pixels around the object, from a whole pixel on.
void NanoTracker::show(const Image& image, double side, ncnn::Mat& input) {
    const double whole = std::nearbyint(side);
    const double left = std::floor(x_ - (whole + 1) / 2 + 0.5);
    const double top = std::floor(y_ - (whole + 1) / 2 + 0.5);
    window_.look(image, {left, top, whole, whole}, input.h, input.w, beyond_);
    for (int y = 0; y < input.h; ++y) levels_.put(window_.row(y), input.w, input, y, 0);
}

void NanoTracker::compare() {
    run(backbone_, &search_input_, features_);
    pair_[1] = features_[0];
    run(head_, pair_.data(), compared_);
}

void NanoTracker::move(const Choice& best, double scale, const Image& image) {
    const double rate = best.penalty * best.score * plan_.rate;
    x_ = std::clamp(best.x / scale + x_, 0.0, static_cast<double>(image.width));
    y_ = std::clamp(best.y / scale + y_, 0.0, static_cast<double>(image.height));
    width_ = width_ * (1 - rate) + best.width / scale * rate;
    height_ = height_ * (1 - rate) + best.height / scale * rate;
    width_ = std::max(least_side, std::min(width_, static_cast<double>(image.width)));
    height_ = std::max(least_side, std::min(height_, static_cast<double>(image.height)));
}

void rehearse_nanotrack(const Request& backbone, const Request& head, const NanotrackPlan& plan, const Levels& levels) {
    rehearse(backbone.param, [&] {
        const Quiet quiet;
        const Model first(backbone);
        for (const int side : {plan.template_side, plan.search_side}) probe(first, {3, side, side}, advice);
        return std::string();
    });
    rehearse(head.param, [&] {
        const Quiet quiet;
        const Model first(backbone);
        const Model second(head);
        NanoTracker tracker(first, second, plan, levels);
        const Image grey(64, 64);
        Stages ms;
        tracker.begin(grey, {16, 16, 48, 48}, ms);
        tracker.step(grey, ms);
        return std::string();
    });
}

}  // namespace nnrun
