#include "bench/sampling.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "core/json.h"
#include "core/lines.h"

namespace nnrun {
namespace {

constexpr double confidence = 0.95;
constexpr std::size_t min_samples = 6;  // the least and the largest of five cover 93.75 %

// An end of the interval lies `share` of the way from the rank-th value to the one within.
struct End {
    std::size_t rank;
    double share;
};

// Of B ~ Binomial(count, 1/2).
double probability(std::size_t successes, std::size_t count) {
    const double n = static_cast<double>(count);
    const double k = static_cast<double>(successes);
    return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
}

// The values of ranks d and n+1-d enclose the median with the probability that d <= B <= n-d;
// it grows from the middle outwards, and the 95 % lie between two ranks.
End end_of(std::size_t count) {
    std::size_t rank = count / 2;
    double step = probability(rank, count);
    double inner = 0;
    double outer = count % 2 == 0 ? step : 2 * step;
    while (outer < confidence) {
        step *= static_cast<double>(rank) / static_cast<double>(count - rank + 1);
        --rank;
        inner = outer;
        outer += 2 * step;
    }
    const double excess = (outer - confidence) / (outer - inner);
    const double d = static_cast<double>(rank);
    const double n = static_cast<double>(count);
    return {rank, (n - d) * excess / (d + (n - 2 * d) * excess)};
}

// Queried in rising order, each search begins where the last one ended.
class Ranks {
public:
    Ranks(double* values, std::size_t count) : begin_(values), from_(values), end_(values + count) {}

    double operator()(std::size_t rank) {
        double* const at = begin_ + rank - 1;
        std::nth_element(from_, at, end_);
        from_ = at;
        return *at;
    }

private:
    double* begin_;
    double* from_;
    double* end_;
};

double middle(Ranks& ranks, std::size_t count) {
    const double lower = ranks((count + 1) / 2);
    return (lower + ranks(count / 2 + 1)) / 2;
}

}  // namespace

std::optional<Interval> median_interval(double* values, std::size_t count) {
    if (count < min_samples) return std::nullopt;
    const End end = end_of(count);
    Ranks ranks(values, count);
    const double lowest = ranks(end.rank);
    const double low = lowest + end.share * (ranks(end.rank + 1) - lowest);
    const double centre = middle(ranks, count);
    const double inner = ranks(count - end.rank);
    const double high = inner + (1 - end.share) * (ranks(count - end.rank + 1) - inner);
    return Interval{low, centre, high};
}

double median(double* values, std::size_t count) {
    Ranks ranks(values, count);
    return middle(ranks, count);
}

namespace {

// Not cleared: untouched memory does not count as used.
double* allocate(int capacity) { return new double[static_cast<std::size_t>(capacity)]; }

}  // namespace

Times::Times(int capacity) : capacity_(capacity), ms_(allocate(capacity)), at_s_(allocate(capacity)), scratch_(allocate(capacity)) {}

void Times::add(double ms, double at_s) {
    const int i = count_.load(std::memory_order_relaxed);
    ms_[static_cast<std::size_t>(i)] = ms;
    at_s_[static_cast<std::size_t>(i)] = at_s;
    count_.store(i + 1, std::memory_order_release);
}

double Times::median(int first) const { return nnrun::median(scratch_.get(), copy(first)); }

std::optional<Interval> Times::interval() const { return median_interval(scratch_.get(), copy(0)); }

std::size_t Times::copy(int first) const {
    std::copy(ms_.get() + first, ms_.get() + count(), scratch_.get());
    return static_cast<std::size_t>(count() - first);
}

void Times::write(const char* type) const {
    for (int i = 0; i < count(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        json::Object line;
        line.text("type", type).integer("i", i).number("ms", ms_[at]).number("at", to_milliseconds(at_s_[at]));
        write_line(line.str());
    }
}

namespace {

constexpr int block_loops = 5;
constexpr double block_ms = 100;
constexpr double tolerance = 0.02;

}  // namespace

bool Warmup::continues(const Times& times) {
    if (!plan_.until_stable) return times.count() < plan_.loops;
    check_block(times);
    return !stable_ && !times.full() && total_.ms() < plan_.max_ms;
}

void Warmup::check_block(const Times& times) {
    if (times.count() - block_begin_ < block_loops || block_.ms() < block_ms) return;
    std::rotate(medians_.begin(), medians_.begin() + 1, medians_.end());
    medians_.back() = times.median(block_begin_);
    const auto [least, largest] = std::minmax_element(medians_.begin(), medians_.end());
    stable_ = ++blocks_ >= static_cast<int>(medians_.size()) && *largest <= *least * (1 + tolerance);
    block_begin_ = times.count();
    block_.lap();
}

bool Sampling::continues(const Times& times) {
    if (times.count() < plan_.loops) return true;
    if (times.full()) return stop("loops");
    if (total_.ms() >= plan_.min_ms && is_narrow(times)) return stop("interval");
    return total_.ms() < plan_.budget_ms || stop("budget");
}

bool Sampling::stop(const char* why) {
    stopped_ = why;
    return false;
}

// A check reads all samples: with checks at a growing distance, all of them together cost a
// fixed number of steps a sample.
bool Sampling::is_narrow(const Times& times) {
    if (plan_.interval == 0 || times.count() < next_check_) return false;
    next_check_ = times.count() + std::max(1, times.count() / 16);
    const auto interval = times.interval();
    return interval && interval->half_width() <= plan_.interval;
}

}  // namespace nnrun
