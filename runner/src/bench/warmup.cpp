#include "bench/warmup.h"

#include <algorithm>

namespace nnrun {
namespace {

constexpr int block_loops = 5;
constexpr double block_ms = 100;
constexpr double tolerance = 0.02;

}  // namespace

bool Warmup::wants_more(const Times& done) {
    if (!plan_.until_stable) return done.count() < plan_.loops;
    look(done);
    return !stable_ && !done.full() && total_.ms() < plan_.bound_ms;
}

void Warmup::look(const Times& done) {
    if (done.count() - block_begin_ < block_loops || block_.ms() < block_ms) return;
    std::rotate(medians_.begin(), medians_.begin() + 1, medians_.end());
    medians_.back() = done.median(block_begin_);
    const auto [least, largest] = std::minmax_element(medians_.begin(), medians_.end());
    stable_ = ++blocks_ >= static_cast<int>(medians_.size()) && *largest <= *least * (1 + tolerance);
    block_begin_ = done.count();
    block_.lap();
}

}  // namespace nnrun
