#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>

#include "core/clock.h"

namespace nnrun {

// The median of samples and its 95 % confidence interval.
struct Interval {
    double low;
    double median;
    double high;

    // Half of its width, as a fraction of the median.
    double half_width() const { return (high - low) / 2 / median; }
};

// Between order statistics, whatever the distribution, interpolated as in Hettmansperger and
// Sheather, "Confidence intervals based on interpolated order statistics" (1986). Fewer than
// six samples have no such interval. Allocates nothing; leaves the values in another order.
std::optional<Interval> median_interval(double* values, std::size_t count);

// Of at least one value; leaves them in another order.
double median(double* values, std::size_t count);

// The largest number that one run keeps.
constexpr int max_inferences = 1000000;

// Times of inferences. A signal's thread may write them while they grow: they never move in
// memory, and after the constructor nothing is allocated.
class Times {
public:
    explicit Times(int capacity);

    void add(double ms, double at_s);
    int count() const { return count_.load(std::memory_order_acquire); }
    bool full() const { return count() == capacity_; }

    // Of those from `first` on.
    double median(int first) const;
    std::optional<Interval> interval() const;

    // A line each: {"type":…,"i":…,"ms":…,"at":…}, the last being the uptime at its start.
    void write(const char* type) const;

private:
    std::size_t copy(int first) const;

    int capacity_;
    std::unique_ptr<double[]> ms_;
    std::unique_ptr<double[]> at_s_;
    std::unique_ptr<double[]> scratch_;
    std::atomic<int> count_{0};
};

// So many inferences, or as many as it takes until their times are stable.
struct WarmupPlan {
    bool until_stable = false;
    int loops = 0;      // when not until_stable
    double max_ms = 0;  // when until_stable

    int capacity() const { return until_stable ? max_inferences : loops; }
};

// Stable: the medians of the last three blocks lie within 2 % of the least of them. A block is
// five inferences, and at least a tenth of a second long, so that a quick net does not end its
// warm-up before the clock of the CPU has risen.
class Warmup {
public:
    explicit Warmup(const WarmupPlan& plan) : plan_(plan) {}

    bool continues(const Times& times);
    // "fixed", "stable" or "bound".
    const char* ended() const { return plan_.until_stable ? (stable_ ? "stable" : "bound") : "fixed"; }

private:
    void check_block(const Times& times);

    WarmupPlan plan_;
    Stopwatch total_;
    Stopwatch block_;
    int block_begin_ = 0;
    int blocks_ = 0;
    std::array<double, 3> medians_{};
    bool stable_ = false;
};

struct SamplingPlan {
    int loops = 0;         // at least; exactly when there is no budget
    double budget_ms = 0;  // 0: none
    double min_ms = 0;     // continues for so long although the interval is reached
    double interval = 0;   // relative half width of the median's interval; 0: no such target

    int capacity() const { return budget_ms > 0 ? max_inferences : loops; }
};

// When the timed inferences are enough, and why.
class Sampling {
public:
    explicit Sampling(const SamplingPlan& plan) : plan_(plan) {}

    bool continues(const Times& times);
    // "loops", "budget" or "interval".
    const char* stopped() const { return stopped_; }

private:
    bool stop(const char* why);
    bool is_narrow(const Times& times);

    SamplingPlan plan_;
    Stopwatch total_;
    int next_check_ = 0;
    const char* stopped_ = "loops";
};

}  // namespace nnrun
