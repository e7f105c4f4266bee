#pragma once

#include <string>

#include "model.h"
#include "shape.h"

namespace nnrun {

// Runs the net once, layer by layer, and checks before each layer that its inputs fit.
// A shape that the net cannot take is a Failure with Exit::input, never a crash.
void probe(const Model& model, const Shape& shape, const std::string& advice);

// Loads the net in a child process and probes it there, so that this process is left as
// clean as it was; with an empty shape it only loads.
void rehearse_model(const Request& request, const Shape& shape, const std::string& advice);

}  // namespace nnrun
