#pragma once

#include <cstddef>
#include <limits>
#include <vector>

namespace nnrun {

// How many threads a step of one kind takes: as many as are given, or those with which the step was fastest. Real
// steps are measured, each count in turn, so that nothing is computed in vain.
class ThreadCount {
public:
    // With more than one candidate each is measured `rounds` times; its fastest step counts.
    ThreadCount(std::vector<int> candidates, int rounds);

    // For the next step.
    int next() const { return is_settled() ? best() : candidates_[step_ % candidates_.size()]; }
    // How long a step with next() threads took. Only steps of equal work may be compared.
    void add(double ms);
    bool is_settled() const { return step_ >= candidates_.size() * rounds_; }
    // So far.
    int best() const;

private:
    std::vector<int> candidates_;
    std::vector<double> fastest_;
    std::size_t rounds_;
    std::size_t step_ = 0;
};

}  // namespace nnrun
