#pragma once

#include <array>

#include "bench/times.h"
#include "core/clock.h"

namespace nnrun {

// So many inferences, or as many as it takes until their times are stable.
struct WarmupPlan {
    bool until_stable = false;
    int loops = 0;         // when not until_stable
    double bound_ms = 0;   // when until_stable

    int most() const { return until_stable ? most_inferences : loops; }
};

// Stable: the medians of the last three blocks lie within 2 % of the least of them. A block is
// five inferences, and at least a tenth of a second long, so that a quick net does not end its
// warm-up before the clock of the CPU has risen.
class Warmup {
public:
    explicit Warmup(const WarmupPlan& plan) : plan_(plan) {}

    bool wants_more(const Times& done);
    // "fixed", "stable" or "bound".
    const char* ended() const { return plan_.until_stable ? (stable_ ? "stable" : "bound") : "fixed"; }

private:
    void look(const Times& done);

    WarmupPlan plan_;
    Stopwatch total_;
    Stopwatch block_;
    int block_begin_ = 0;
    int blocks_ = 0;
    std::array<double, 3> medians_{};
    bool stable_ = false;
};

}  // namespace nnrun
