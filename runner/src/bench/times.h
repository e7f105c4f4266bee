#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>

#include "bench/interval.h"

namespace nnrun {

// The most that one run keeps.
constexpr int most_inferences = 1000000;

// Times of inferences. A signal's thread may write them while they grow: they never move in
// memory, and after the constructor nothing is allocated.
class Times {
public:
    explicit Times(int most);

    void add(double ms, double at_s);
    int count() const { return count_.load(std::memory_order_acquire); }
    bool full() const { return count() == most_; }

    // Of those from `first` on.
    double median(int first) const;
    std::optional<Interval> interval() const;

    // A line each: {"type":…,"i":…,"ms":…,"at":…}, the last being the uptime at its start.
    void write(const char* type) const;

private:
    std::size_t copy(int first) const;

    int most_;
    std::unique_ptr<double[]> ms_;
    std::unique_ptr<double[]> at_s_;
    std::unique_ptr<double[]> scratch_;
    std::atomic<int> count_{0};
};

}  // namespace nnrun
