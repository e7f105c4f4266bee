#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "net/model.h"
#include "net/tensor.h"

namespace nnrun {

using Shapes = std::map<std::string, Shape>;
using BlobVisitor = std::function<void(const std::string& name, const ncnn::Mat& blob)>;

// Runs the net once, layer by layer, and checks before each layer that its inputs fit.
// A shape that the net cannot take is a Failure with Exit::input, never a crash. `visit` is
// called with each blob of `visited`, as floats, when it is computed: all at once would take too much memory.
// Returns the shapes of all blobs.
Shapes walk(const Model& model, const std::vector<ncnn::Mat>& inputs, const std::set<std::string>& visited, const BlobVisitor& visit,
            const std::string& advice);

// The same for one made-up input of that shape. Returns the shapes of the outputs.
std::vector<Shape> probe(const Model& model, const Shape& shape, const std::string& advice);
// For a net of several inputs, in the order of the .param.
std::vector<Shape> probe(const Model& model, const std::vector<Shape>& shapes, const std::string& advice);

// Loads the net in a child process and probes it there, so that this process is left as
// clean as it was; with an empty shape it only loads. `check` gets the outputs' shapes.
using OutputsCheck = std::function<void(const std::vector<Shape>& outputs)>;
void rehearse_model(const Request& request, const Shape& shape, const std::string& advice, const OutputsCheck& check = {});
void rehearse_model(const Request& request, const std::vector<Shape>& shapes, const std::string& advice, const OutputsCheck& check = {});

}  // namespace nnrun
