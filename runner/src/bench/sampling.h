#pragma once

#include "bench/times.h"
#include "core/clock.h"

namespace nnrun {

struct SamplingPlan {
    int loops = 0;         // at least; exactly when there is no budget
    double budget_ms = 0;  // 0: none
    double least_ms = 0;   // goes on for so long although the interval is reached
    double interval = 0;   // relative half width of the median's interval; 0: not asked for

    int most() const { return budget_ms > 0 ? most_inferences : loops; }
};

// When the timed inferences are enough, and why.
class Sampling {
public:
    explicit Sampling(const SamplingPlan& plan) : plan_(plan) {}

    bool wants_more(const Times& done);
    // "loops", "budget" or "interval".
    const char* stopped() const { return stopped_; }

private:
    bool stop(const char* why);
    bool is_narrow(const Times& done);

    SamplingPlan plan_;
    Stopwatch total_;
    int next_look_ = 0;
    const char* stopped_ = "loops";
};

}  // namespace nnrun
