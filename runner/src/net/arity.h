#pragma once

#include <layer.h>

#include <string>

#include "net/graph.h"

namespace nnrun {

// What is wrong with the number of blobs that a layer reads and makes, or "". ncnn does not count
// them: a layer that has fewer than its kind needs reads past the end of its list.
std::string miscounted(const GraphLayer& entry, const ncnn::Layer& layer);

}  // namespace nnrun
