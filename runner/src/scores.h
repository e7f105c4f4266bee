#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "graph.h"

namespace nnrun {

struct Score {
    std::size_t index;
    double score;
};

// Does the net itself end in a softmax on the way to this blob?
bool ends_in_softmax(const Graph& graph, const std::string& blob);

std::vector<double> softmax(const std::vector<float>& logits);

// The highest first; of equals the one with the lower index.
std::vector<Score> best(const std::vector<double>& scores, std::size_t count);

}  // namespace nnrun
