#include "language/sampler.h"

#include <algorithm>
#include <cmath>

#include "kernels/floats.h"

namespace nnrun {
namespace {

// Logits that are searched together.
constexpr std::size_t searched = 256;

// The largest of finite values; a NaN where one of them is not.
float finite_peak(const float* values, std::size_t count) {
    F4 peaks[2] = {four(values[0]), four(values[0])}, zeros[2] = {four(0), four(0)};
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const F8 both = load8(values + i);
        peaks[0] = larger(both.low, peaks[0]);
        peaks[1] = larger(both.high, peaks[1]);
        // Zero times what is not finite is a NaN, which stays in a sum.
        zeros[0] = multiply_add(zeros[0], both.low, four(0));
        zeros[1] = multiply_add(zeros[1], both.high, four(0));
    }
    float peak = largest_of(larger(peaks[0], peaks[1])), zero = sum_of(zeros[0] + zeros[1]);
    for (; i < count; ++i) {
        peak = std::max(peak, values[i]);
        zero += values[i] * 0.0f;
    }
    return peak + zero;
}

// Of the first that is equal; there is one.
std::size_t place_of(float value, const float* values) {
    std::size_t i = 0;
    while (values[i] != value) ++i;
    return i;
}

}  // namespace

double Uniform::operator()() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

Sampler::Sampler(const SamplerPlan& plan, std::size_t vocabulary) : plan_(plan), uniform_(plan.seed), seen_(vocabulary) {
    candidates_.reserve(vocabulary);
}

int Sampler::choose(const float* logits, const TokenMask& mask) {
    const int only = plan_.temperature == 0 ? likeliest(logits, mask) : -1;
    if (only >= 0) return only;
    collect(logits, mask);
    if (candidates_.empty()) return -1;
    if (plan_.temperature == 0) return std::min_element(candidates_.begin(), candidates_.end(), is_likelier)->id;
    keep_top_k();
    keep_top_p();
    keep_min_p();
    return draw();
}

int Sampler::likeliest(const float* logits, const TokenMask& mask) const {
    if (!mask.empty() || plan_.repetition_penalty != 1) return -1;
    float most = 0;
    std::size_t at = 0;
    for (std::size_t first = 0; first < seen_.size(); first += searched) {
        const float peak = finite_peak(logits + first, std::min(searched, seen_.size() - first));
        if (std::isnan(peak)) return -1;
        if (first > 0 && peak <= most) continue;
        most = peak;
        at = first;
    }
    return static_cast<int>(at + place_of(most, logits + at));
}

void Sampler::collect(const float* logits, const TokenMask& mask) {
    const auto penalty = static_cast<float>(plan_.repetition_penalty);
    candidates_.clear();
    for (std::size_t id = 0; id < seen_.size(); ++id) {
        if (!mask.empty() && mask[id] == 0) continue;
        float logit = logits[id];
        if (!std::isfinite(logit)) continue;
        if (seen_[id] != 0) logit = logit > 0 ? logit / penalty : logit * penalty;
        candidates_.push_back({logit, static_cast<int>(id)});
    }
}

void Sampler::keep_top_k() {
    const auto k = static_cast<std::size_t>(plan_.top_k);
    if (k == 0 || k >= candidates_.size()) return;
    std::nth_element(candidates_.begin(), candidates_.begin() + plan_.top_k, candidates_.end(), is_likelier);
    candidates_.resize(k);
}

// A heap gives the likeliest first without sorting them all: few of a large vocabulary are needed.
void Sampler::keep_top_p() {
    if (plan_.top_p >= 1) return;
    const auto is_less_likely = [](const Candidate& a, const Candidate& b) { return is_likelier(b, a); };
    std::make_heap(candidates_.begin(), candidates_.end(), is_less_likely);
    const double largest = static_cast<double>(candidates_.front().logit);
    double total = 0;
    for (const Candidate& each : candidates_) total += std::exp(static_cast<double>(each.logit) - largest);
    double sum = 0;
    auto end = candidates_.end();
    while (end != candidates_.begin() && (end == candidates_.end() || sum < plan_.top_p * total)) {
        std::pop_heap(candidates_.begin(), end, is_less_likely);
        sum += std::exp(static_cast<double>((--end)->logit) - largest);
    }
    candidates_.erase(candidates_.begin(), end);
}

void Sampler::keep_min_p() {
    if (plan_.min_p <= 0) return;
    const double largest = static_cast<double>(std::min_element(candidates_.begin(), candidates_.end(), is_likelier)->logit);
    const double least = largest + std::log(plan_.min_p);
    const auto is_unlikely = [least](const Candidate& each) { return static_cast<double>(each.logit) < least; };
    candidates_.erase(std::remove_if(candidates_.begin(), candidates_.end(), is_unlikely), candidates_.end());
}

// Only a filter by rank changes their order.
void Sampler::sort_by_id() {
    if (plan_.top_k == 0 && plan_.top_p >= 1) return;
    std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

int Sampler::draw() {
    sort_by_id();
    const double largest = static_cast<double>(std::min_element(candidates_.begin(), candidates_.end(), is_likelier)->logit);
    double total = 0;
    weights_.clear();
    for (const Candidate& each : candidates_) {
        weights_.push_back(std::exp((static_cast<double>(each.logit) - largest) / plan_.temperature));
        total += weights_.back();
    }
    double left = uniform_() * total;
    for (std::size_t i = 0; i < weights_.size(); ++i)
        if ((left -= weights_[i]) < 0) return candidates_[i].id;
    return candidates_.back().id;
}

double log_probability(const float* logits, std::size_t count, std::size_t token) {
    const auto largest = static_cast<double>(*std::max_element(logits, logits + count));
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) total += std::exp(static_cast<double>(logits[i]) - largest);
    return static_cast<double>(logits[token]) - largest - std::log(total);
}

}  // namespace nnrun
