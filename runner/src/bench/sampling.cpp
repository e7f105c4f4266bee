#include "bench/sampling.h"

#include <algorithm>

namespace nnrun {

bool Sampling::wants_more(const Times& done) {
    if (done.count() < plan_.loops) return true;
    if (done.full()) return stop("loops");
    if (total_.ms() >= plan_.least_ms && is_narrow(done)) return stop("interval");
    return total_.ms() < plan_.budget_ms || stop("budget");
}

bool Sampling::stop(const char* why) {
    stopped_ = why;
    return false;
}

// A look reads all samples: with looks at a growing distance, all of them together cost a
// fixed number of steps a sample.
bool Sampling::is_narrow(const Times& done) {
    if (plan_.interval == 0 || done.count() < next_look_) return false;
    next_look_ = done.count() + std::max(1, done.count() / 16);
    const auto interval = done.interval();
    return interval && interval->half_width() <= plan_.interval;
}

}  // namespace nnrun
