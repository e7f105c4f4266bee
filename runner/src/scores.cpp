#include "scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace nnrun {

bool ends_in_softmax(const Graph& graph, const std::string& blob) {
    static const std::vector<std::string> keep_values{"Split",   "Noop",       "Dropout", "Flatten",
                                                      "Reshape", "ExpandDims", "Squeeze"};
    const GraphLayer* layer = graph.producer(blob);
    while (layer && !layer->bottoms.empty() &&
           std::find(keep_values.begin(), keep_values.end(), layer->type) != keep_values.end())
        layer = graph.producer(layer->bottoms.front());
    return layer && layer->type == "Softmax";
}

std::vector<double> softmax(const std::vector<float>& logits) {
    const double highest = *std::max_element(logits.begin(), logits.end());
    std::vector<double> scores;
    for (const float logit : logits) scores.push_back(std::exp(logit - highest));
    const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
    for (double& score : scores) score /= sum;
    return scores;
}

std::vector<Score> best(const std::vector<double>& scores, std::size_t count) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto taken = static_cast<std::ptrdiff_t>(std::min(count, order.size()));
    const auto higher = [&](std::size_t a, std::size_t b) {
        return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    };
    std::partial_sort(order.begin(), order.begin() + taken, order.end(), higher);
    std::vector<Score> top;
    for (auto at = order.begin(); at != order.begin() + taken; ++at) top.push_back({*at, scores[*at]});
    return top;
}

}  // namespace nnrun
