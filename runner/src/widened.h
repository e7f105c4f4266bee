#pragma once

#include <string>

#include "graph.h"

namespace nnrun {

// Does a layer's mask say so (31=2)?
bool forbids_halves(const Graph& graph);

// The .param with every blob in floats that such a layer reads.
//
// ncnn 1.0.20261020 casts halves in front of a layer that knows none (net.cpp, convert_layout), but
// not in front of one whose mask forbids them: that one would read halves as floats. A Dropout of
// scale 1 knows no halves and changes nothing, so ncnn casts in front of it.
std::string widened(const Graph& graph);

}  // namespace nnrun
