#include "vision/similarity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace nnrun {
namespace {

double dot(const std::vector<float>& one, const std::vector<float>& other) {
    return std::inner_product(one.begin(), one.end(), other.begin(), 0.0, std::plus<>(),
                              [](float a, float b) { return static_cast<double>(a) * static_cast<double>(b); });
}

void softmax(std::vector<double>& values) {
    const double largest = *std::max_element(values.begin(), values.end());
    double sum = 0;
    for (double& value : values) sum += value = std::exp(value - largest);
    for (double& value : values) value /= sum;
}

}  // namespace

std::vector<float> normalised(const std::vector<float>& embedding) {
    const double length = std::sqrt(dot(embedding, embedding));
    std::vector<float> unit(embedding);
    if (length > 0)
        for (float& value : unit) value = static_cast<float>(static_cast<double>(value) / length);
    return unit;
}

std::vector<Score> rank_labels(const std::vector<float>& picture, const std::vector<std::vector<float>>& labels,
                               const PairSettings& settings, std::size_t topk) {
    std::vector<double> values;
    for (const std::vector<float>& label : labels) values.push_back(dot(picture, label) * settings.scale + settings.bias);
    if (settings.sigmoid)
        for (double& value : values) value = 1 / (1 + std::exp(-value));
    else if (!values.empty())
        softmax(values);
    std::vector<Score> scores;
    for (std::size_t i = 0; i < values.size(); ++i) scores.push_back({i, static_cast<float>(values[i])});
    std::stable_sort(scores.begin(), scores.end(), [](const Score& one, const Score& other) { return one.value > other.value; });
    scores.resize(std::min(topk, scores.size()));
    return scores;
}

}  // namespace nnrun
