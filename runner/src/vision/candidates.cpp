#include "vision/candidates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace nnrun {
namespace {

// Places looked at together: a few vectors of the best logit so far.
constexpr int block = 32;
using Block = std::array<float, block>;

double sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

// Below every logit whose sigmoid is `score` or more: whatever is above it is looked at exactly.
float safe_logit(double score) {
    constexpr double most = 30;  // beyond it, sigmoids are one as far as floats can tell
    const double logit = std::log(score) - std::log1p(-score);
    return static_cast<float>(std::min(logit, most) - 1e-3);
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
    Scan(const HeadPlan& head, const Maps& maps, std::vector<Candidate>& found)
        : head_(head), layout_(maps.layout()), each_class_(head.kind == "fcos"), found_(found) {
        // The root of a product of two sigmoids: neither of them may be below the square.
        limit_ = safe_logit(each_class_ ? head.score * head.score : head.score);
    }

    void look(const Level& level) {
        Block best;
        for (int at = 0; at < level.places(); at += block) {
            largest(level, layout_.classes, at, best);
            const int count = std::min(block, level.places() - at);
            for (int i = 0; i < count; ++i)
                if (best[static_cast<std::size_t>(i)] >= limit_) look_at(level, at + i, best[static_cast<std::size_t>(i)]);
        }
    }

private:
    static float logit(const Level& level, int channel, int place) { return level.planes[static_cast<std::size_t>(channel)][place]; }

    void look_at(const Level& level, int place, float best) {
        const bool has_object = layout_.object.size() > 0;
        const float object = has_object ? logit(level, layout_.object.begin, place) : 0;
        if (has_object && object < limit_) return;
        const double factor = has_object ? sigmoid(object) : 1;
        for (int channel = layout_.classes.begin; channel < layout_.classes.end; ++channel) {
            const float here = logit(level, channel, place);
            if (each_class_ ? here < limit_ : here != best) continue;
            tell(level.first + place, channel - layout_.classes.begin, sigmoid(here) * factor);
            if (!each_class_) return;
        }
    }

    void tell(int place, int label, double product) {
        const double score = each_class_ ? std::sqrt(product) : product;
        if (score >= head_.score) found_.push_back({place, label, score, {}});
    }

    const HeadPlan& head_;
    const Layout& layout_;
    bool each_class_;
    float limit_ = 0;
    std::vector<Candidate>& found_;
};

}  // namespace

void find_candidates(const HeadPlan& head, const Maps& maps, std::vector<Candidate>& found) {
    Scan scan(head, maps, found);
    for (const Level& level : maps.levels()) scan.look(level);
}

}  // namespace nnrun
