#include "language/threads.h"

#include <algorithm>

namespace nnrun {

ThreadCount::ThreadCount(std::vector<int> candidates, int rounds)
    : candidates_(std::move(candidates)),
      fastest_(candidates_.size(), std::numeric_limits<double>::infinity()),
      rounds_(candidates_.size() > 1 ? static_cast<std::size_t>(rounds) : 0) {}

void ThreadCount::add(double ms) {
    if (is_settled()) return;
    double& fastest = fastest_[step_ % candidates_.size()];
    fastest = std::min(fastest, ms);
    ++step_;
}

int ThreadCount::best() const {
    const auto least = std::min_element(fastest_.begin(), fastest_.end());
    return candidates_[static_cast<std::size_t>(least - fastest_.begin())];
}

}  // namespace nnrun
