// Statistics of times.

#include <doctest/doctest.h>

#include <cmath>

#include "bench/sampling.h"

namespace {

bool near(double a, double b) { return std::fabs(a - b) < 1e-9; }

// By hand: the range of six covers the median with 31/32, the next two with 25/32.
TEST_CASE("the interval of a median is the published one") {
    double six[] = {4, 6, 1, 3, 2, 5};
    const auto interval = nnrun::median_interval(six, 6);
    REQUIRE(interval);
    CHECK(near(interval->low, 1 + 0.5 / 1.4));
    CHECK(near(interval->high, 6 - 0.5 / 1.4));
    CHECK(near(interval->median, 3.5));
    CHECK(near(interval->half_width(), (5 - 1 / 1.4) / 2 / 3.5));
    CHECK(!nnrun::median_interval(six, 5));
    double odd[] = {9, 1, 5};
    CHECK(near(nnrun::median(odd, 3), 5));
    CHECK(near(nnrun::median(odd, 1), 1));
    double same[] = {2, 2, 2, 2, 2, 2, 2};
    CHECK(nnrun::median_interval(same, 7)->half_width() == 0);
}

}  // namespace
