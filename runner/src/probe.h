#pragma once

#include <string>

#include "model.h"
#include "shape.h"

namespace nnrun {

// Runs the net once, layer by layer, and checks before each layer that its inputs fit.
// A shape that the net cannot take is a Failure with Exit::input, never a crash.
void probe(const Model& model, const ncnn::Mat& input, const std::string& advice);

}  // namespace nnrun
