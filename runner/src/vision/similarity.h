#pragma once

#include <vector>

#include "vision/classifier.h"

namespace nnrun {

// Of the same length, and of length 1; one of zeros stays so.
std::vector<float> normalised(const std::vector<float>& embedding);

struct PairSettings {
    double scale = 1;
    double bias = 0;
    bool sigmoid = false;  // each label for itself; else a softmax among them
};

// How well labels suit a picture: activation(cosine * scale + bias), best first, `topk` of them. All embeddings
// are normalised already.
std::vector<Score> rank_labels(const std::vector<float>& picture, const std::vector<std::vector<float>>& labels,
                               const PairSettings& settings, std::size_t topk);

}  // namespace nnrun
