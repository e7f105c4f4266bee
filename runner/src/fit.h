#pragma once

#include <net.h>

#include <string>

#include "graph.h"
#include "model.h"
#include "tensor.h"

namespace nnrun {

// Runs the net once, layer by layer, and compares what each layer is about to read with
// the size of its weights. ncnn itself does not: a convolution that gets too many
// channels reads past the end of its kernels.
void check_fit(const ModelRequest& request, const Model& model, const Shape& input);

// Loads the net and checks its fit in a rehearsal, before the run proper.
void rehearse_model(const ModelRequest& request, const Graph& graph, const Shape& input);

}  // namespace nnrun
