#pragma once

#include <cstddef>
#include <optional>

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

}  // namespace nnrun
