#include "bench/times.h"

#include <algorithm>

#include "core/clock.h"
#include "core/json.h"
#include "core/lines.h"

namespace nnrun {
namespace {

// Not cleared: untouched memory does not count as used.
double* room_for(int most) { return new double[static_cast<std::size_t>(most)]; }

}  // namespace

Times::Times(int most) : most_(most), ms_(room_for(most)), at_s_(room_for(most)), scratch_(room_for(most)) {}

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

}  // namespace nnrun
