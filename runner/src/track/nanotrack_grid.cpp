#include "track/nanotrack_grid.h"

#include <algorithm>
#include <cmath>

#include "core/failure.h"
#include "net/shape.h"

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
    for (const ncnn::Mat& output : outputs) text += (text.empty() ? "" : " and ") + shown(shape_of(output));
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
    double most = -1;
    for (int row = 0; row < scores_.h; ++row) {
        for (int column = 0; column < scores_.w; ++column) {
            const Choice found = at(row, column, width, height);
            const double near = near_[static_cast<std::size_t>(row)] * near_[static_cast<std::size_t>(column)];
            const double liking = found.penalty * found.score * (1 - plan_.window) + near * plan_.window;
            if (!std::isfinite(liking)) throw Failure(Exit::input, "the head's output holds NaN or infinity; try --precision fp32");
            if (liking <= most) continue;
            most = liking;
            best = found;
        }
    }
    return best;
}

void NanotrackGrid::bind(const std::vector<ncnn::Mat>& outputs) {
    const ncnn::Mat* const scores = with_channels(outputs, 2);
    const ncnn::Mat* const sides = with_channels(outputs, 4);
    if (outputs.size() != 2 || scores == nullptr || sides == nullptr || scores->w != sides->w)
        throw Failure(Exit::model, "the head gives " + shapes(outputs) + "; NanoTrack's gives 2,n,n scores and 4,n,n sides");
    scores_ = *scores;
    sides_ = *sides;
    if (near_.size() != static_cast<std::size_t>(scores_.w)) lay_window();
}

void NanotrackGrid::lay_window() {
    const double pi = std::acos(-1.0);
    near_.clear();
    for (int i = 0; i < scores_.w; ++i) near_.push_back(0.5 + 0.5 * std::cos(pi * (2 * i + 1 - scores_.w) / (scores_.w - 1)));
}

Choice NanotrackGrid::at(int row, int column, double width, double height) const {
    const auto side = [&](int which) { return static_cast<double>(sides_.channel(which).row(row)[column]); };
    const auto logit = [&](int which) { return static_cast<double>(scores_.channel(which).row(row)[column]); };
    Choice found;
    found.x = (column - scores_.w / 2) * plan_.stride + (side(2) - side(0)) * 0.5;
    found.y = (row - scores_.h / 2) * plan_.stride + (side(3) - side(1)) * 0.5;
    found.width = side(0) + side(2);
    found.height = side(1) + side(3);
    found.score = 1 / (1 + std::exp(logit(0) - logit(1)));
    const double size = reach(found.width, found.height, plan_.context) / reach(width, height, plan_.context);
    const double proportions = (width / height) / (found.width / found.height);
    found.penalty = std::exp(-(change(size) * change(proportions) - 1) * plan_.penalty);
    return found;
}

}  // namespace nnrun
