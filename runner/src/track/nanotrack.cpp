#include "track/nanotrack.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "core/failure.h"
#include "core/rehearsal.h"
#include "net/probe.h"
#include "net/tensor.h"

namespace nnrun {
namespace {

// How much larger the one is than the other, whichever it is.
double change(double ratio) { return std::max(ratio, 1 / ratio); }

const ncnn::Mat* with_channels(const std::vector<ncnn::Mat>& outputs, int count) {
    for (const ncnn::Mat& output : outputs)
        if (output.dims == 3 && output.c == count && output.w == output.h && output.w > 1) return &output;
    return nullptr;
}

std::string shapes(const std::vector<ncnn::Mat>& outputs) {
    std::string text;
    for (const ncnn::Mat& output : outputs) text += (text.empty() ? "" : " and ") + format_shape(shape_of(output));
    return text;
}

}  // namespace

double reach(double width, double height, double context) {
    const double around = context * (width + height);
    return std::sqrt((width + around) * (height + around));
}

NanotrackGrid::NanotrackGrid(const NanotrackPlan& plan) : plan_(plan) {}

Choice NanotrackGrid::choose(const std::vector<ncnn::Mat>& outputs, double width, double height) {
    bind(outputs);
    Choice best;
    double best_rank = -1;
    for (int row = 0; row < scores_.h; ++row) {
        for (int column = 0; column < scores_.w; ++column) {
            const Choice choice = at(row, column, width, height);
            const double near = window_[static_cast<std::size_t>(row)] * window_[static_cast<std::size_t>(column)];
            const double rank = choice.penalty * choice.score * (1 - plan_.window) + near * plan_.window;
            if (!std::isfinite(rank)) throw Failure(Exit::input, "the head's output holds NaN or infinity; try --precision fp32");
            if (rank <= best_rank) continue;
            best_rank = rank;
            best = choice;
        }
    }
    return best;
}

void NanotrackGrid::bind(const std::vector<ncnn::Mat>& outputs) {
    const ncnn::Mat* const scores = with_channels(outputs, 2);
    const ncnn::Mat* const sides = with_channels(outputs, 4);
    if (outputs.size() != 2 || scores == nullptr || sides == nullptr || scores->w != sides->w)
        throw Failure(Exit::model, "the head's outputs are " + shapes(outputs) + "; NanoTrack's are 2,n,n scores and 4,n,n sides");
    scores_ = *scores;
    sides_ = *sides;
    if (window_.size() != static_cast<std::size_t>(scores_.w)) make_window();
}

void NanotrackGrid::make_window() {
    const double pi = std::acos(-1.0);
    window_.clear();
    for (int i = 0; i < scores_.w; ++i) window_.push_back(0.5 + 0.5 * std::cos(pi * (2 * i + 1 - scores_.w) / (scores_.w - 1)));
}

Choice NanotrackGrid::at(int row, int column, double width, double height) const {
    const auto side = [&](int which) { return static_cast<double>(sides_.channel(which).row(row)[column]); };
    const auto logit = [&](int which) { return static_cast<double>(scores_.channel(which).row(row)[column]); };
    Choice choice;
    choice.x = (column - scores_.w / 2) * plan_.stride + (side(2) - side(0)) * 0.5;
    choice.y = (row - scores_.h / 2) * plan_.stride + (side(3) - side(1)) * 0.5;
    choice.width = side(0) + side(2);
    choice.height = side(1) + side(3);
    choice.score = 1 / (1 + std::exp(logit(0) - logit(1)));
    const double size = reach(choice.width, choice.height, plan_.context) / reach(width, height, plan_.context);
    const double proportions = (width / height) / (choice.width / choice.height);
    choice.penalty = std::exp(-(change(size) * change(proportions) - 1) * plan_.penalty);
    return choice;
}

namespace {

// No side of a box becomes shorter.
constexpr double min_side = 10;

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
    model.run(inputs, outputs);
}

void check_backbone(const Model& backbone) {
    if (backbone.outputs().size() != 1)
        throw Failure(Exit::model, backbone.request().param + ": the net has " + std::to_string(backbone.outputs().size()) +
                                       " outputs; NanoTrack's backbone has one");
}

}  // namespace

bool overlaps(const Corners& box, int width, int height) {
    return std::max(box[0], 0.0) < std::min(box[2], static_cast<double>(width)) &&
           std::max(box[1], 0.0) < std::min(box[3], static_cast<double>(height));
}

NanoTracker::NanoTracker(const Model& backbone, const Model& head, const NanotrackPlan& plan, const Normalizer& normalizer)
    : backbone_(backbone),
      head_(head),
      plan_(plan),
      normalizer_(normalizer),
      grid_(plan),
      template_input_(square(plan.template_side)),
      search_input_(square(plan.search_side)) {
    check_backbone(backbone);
}

TrackedBox NanoTracker::begin(const Image& image, const Corners& box, Stages& ms) {
    Stopwatch watch;
    width_ = box[2] - box[0];
    height_ = box[3] - box[1];
    x_ = box[0] + (width_ - 1) / 2;
    y_ = box[1] + (height_ - 1) / 2;
    border_ = mean_levels(image);
    fill_input(image, reach(), template_input_);
    ms.pre = watch.lap();
    run(backbone_, &template_input_, features_);
    pair_[0] = features_[0];
    ms.infer = watch.lap();
    return {box, 1};
}

TrackedBox NanoTracker::step(const Image& image, Stages& ms) {
    Stopwatch watch;
    const double side = reach();
    fill_input(image, side * (static_cast<double>(plan_.search_side) / plan_.template_side), search_input_);
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
void NanoTracker::fill_input(const Image& image, double side, ncnn::Mat& input) {
    const double whole = std::nearbyint(side);
    const double left = std::floor(x_ - (whole + 1) / 2 + 0.5);
    const double top = std::floor(y_ - (whole + 1) / 2 + 0.5);
    sampler_.start(image, {left, top, whole, whole}, input.h, input.w, border_);
    for (int y = 0; y < input.h; ++y) normalizer_.put(sampler_.row(y), input.w, input, y, 0);
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
    width_ = std::max(min_side, std::min(width_, static_cast<double>(image.width)));
    height_ = std::max(min_side, std::min(height_, static_cast<double>(image.height)));
}

void rehearse_nanotrack(const Request& backbone, const Request& head, const NanotrackPlan& plan, const Normalizer& normalizer) {
    rehearse(backbone.param, [&] {
        const StderrCapture captured;
        const Model first(backbone);
        for (const int side : {plan.template_side, plan.search_side}) probe(first, {3, side, side}, advice);
        return std::string();
    });
    rehearse(head.param, [&] {
        const StderrCapture captured;
        const Model first(backbone);
        const Model second(head);
        NanoTracker tracker(first, second, plan, normalizer);
        const Image grey(64, 64);
        Stages ms;
        tracker.begin(grey, {16, 16, 48, 48}, ms);
        tracker.step(grey, ms);
        return std::string();
    });
}

}  // namespace nnrun
