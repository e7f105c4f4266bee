#include "vision/scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace nnrun {
namespace {

constexpr int deepest = 8;  // sums and joins within each other
constexpr int log_op = 8, div_op = 3, rsub_op = 7, sum_op = 0;

bool passes(const GraphLayer& layer) {
    static const std::vector<std::string> types{"Clip", "Crop", "Dropout", "ExpandDims", "Flatten", "Noop", "Permute",
                                                "Reshape", "Split", "Squeeze"};
    return std::find(types.begin(), types.end(), layer.type) != types.end();
}

// What makes the blob, whatever reshapes it.
const GraphLayer* maker(const Graph& graph, const std::string& blob) {
    const GraphLayer* layer = graph.producer(blob);
    while (layer != nullptr && !layer->bottoms.empty() && passes(*layer)) layer = graph.producer(layer->bottoms[0]);
    return layer;
}

bool is_binary(const GraphLayer& layer, int op, std::size_t inputs) {
    return layer.type == "BinaryOp" && layer.param(0, 0) == op && layer.bottoms.size() == inputs;
}

bool is_sum(const GraphLayer* layer) { return layer != nullptr && layer->type == "Reduction" && layer->param(0, 0) == sum_op; }

Ending ending_at(const Graph& graph, const std::string& blob, int depth) {
    const GraphLayer* layer = maker(graph, blob);
    if (layer == nullptr || depth == 0) return Ending::logits;
    const auto probable = [&](const std::string& bottom) {
        return ending_at(graph, bottom, depth - 1) == Ending::probabilities;
    };
    if (layer->type == "Softmax" || layer->type == "Sigmoid" || layer->type == "HardSigmoid") return Ending::probabilities;
    if (layer->type == "UnaryOp" && layer->param(0, 0) == log_op && probable(layer->bottoms[0])) return Ending::log_probabilities;
    if (is_binary(*layer, div_op, 2) && is_sum(maker(graph, layer->bottoms[1]))) return Ending::probabilities;
    const bool whole = is_binary(*layer, rsub_op, 1) || layer->type == "Concat";
    if (whole && std::all_of(layer->bottoms.begin(), layer->bottoms.end(), probable)) return Ending::probabilities;
    return Ending::logits;
}

std::vector<double> softmax(const std::vector<float>& logits) {
    const double top = *std::max_element(logits.begin(), logits.end());
    std::vector<double> powers;
    for (const float logit : logits) powers.push_back(std::exp(static_cast<double>(logit) - top));
    const double sum = std::accumulate(powers.begin(), powers.end(), 0.0);
    for (double& power : powers) power /= sum;
    return powers;
}

double activated(double value, const std::string& activation) {
    if (activation == "sigmoid") return 1 / (1 + std::exp(-value));
    return activation == "exp" ? std::exp(value) : value;
}

}  // namespace

Ending ending_of(const Graph& graph, const std::string& output) { return ending_at(graph, output, deepest); }

const std::vector<std::string>& activations() {
    static const std::vector<std::string> known{"auto", "softmax", "sigmoid", "exp", "none"};
    return known;
}

std::string resolved(const std::string& activation, Ending ending, std::size_t count) {
    if (activation != "auto") return activation;
    if (ending == Ending::probabilities) return "none";
    if (ending == Ending::log_probabilities) return "exp";
    return count == 1 ? "sigmoid" : "softmax";
}

std::vector<float> scores_of(const std::vector<float>& raw, const std::string& activation, std::size_t classes) {
    std::vector<double> made;
    if (activation == "softmax")
        made = softmax(raw);
    else
        for (const float value : raw) made.push_back(activated(value, activation));
    if (made.size() == 1 && classes == 2) made.insert(made.begin(), 1 - made[0]);
    return {made.begin(), made.end()};
}

}  // namespace nnrun
