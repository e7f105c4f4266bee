#pragma once

#include <string>
#include <vector>

#include "net/graph.h"

namespace nnrun {

// What a net's output already is, as its last layers say.
enum class Ending { logits, probabilities, log_probabilities };

// Reshaping, splitting and clipping change nothing; a softmax, a sigmoid, values divided by their
// sum, and what is put together of such, are probabilities. The desktop's twin is
// piyard/conversion/ending.py.
Ending ending_of(const Graph& graph, const std::string& output);

const std::vector<std::string>& activations();  // auto, softmax, sigmoid, exp, none

// "auto" for an output of so many values that ends so: none twice, and one logit is a sigmoid's.
std::string resolved(const std::string& activation, Ending ending, std::size_t count);

// Scores of the classes; a single one of two classes is that of the second.
std::vector<float> scores_of(const std::vector<float>& raw, const std::string& activation, std::size_t classes);

}  // namespace nnrun
