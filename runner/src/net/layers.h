#pragma once

#include <layer.h>

#include <string>
#include <vector>

#include "net/graph.h"
#include "net/tensor.h"

namespace nnrun {

// What is wrong with the number of blobs that a layer reads and makes, or "". ncnn does not count
// them: a layer that has fewer than its kind needs reads past the end of its list.
std::string arity_error(const GraphLayer& entry, const ncnn::Layer& layer);

// What is wrong with feeding these shapes to the layer, or "". ncnn trusts the shapes and
// reads past the end of a blob that does not fit.
std::string shape_error(const GraphLayer& layer, const std::vector<Shape>& bottoms);

}  // namespace nnrun
