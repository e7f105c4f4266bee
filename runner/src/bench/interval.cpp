#include "bench/interval.h"

#include <algorithm>
#include <cmath>

namespace nnrun {
namespace {

constexpr double confidence = 0.95;
constexpr std::size_t fewest = 6;  // the least and the largest of five cover 93.75 %

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

// Asked for in rising order, each search begins where the last one ended.
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
    if (count < fewest) return std::nullopt;
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

}  // namespace nnrun
