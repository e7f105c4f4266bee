#pragma once

#include <string>
#include <vector>

namespace nnrun {

// One label a line; a file that cannot be read is a Failure with Exit::input.
std::vector<std::string> read_labels(const std::string& path);

}  // namespace nnrun
