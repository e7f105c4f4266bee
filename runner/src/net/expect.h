#pragma once

#include <string>
#include <vector>

#include "net/graph.h"
#include "net/shape.h"

namespace nnrun {

// What is wrong with feeding these shapes to the layer, or "". ncnn trusts the shapes and
// reads past the end of a blob that does not fit.
std::string complaint(const GraphLayer& layer, const std::vector<Shape>& bottoms);

}  // namespace nnrun
