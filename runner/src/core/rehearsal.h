#pragma once

#include <functional>
#include <string>

namespace nnrun {

// Runs the act in a child process and gives back what it said: ncnn may crash on files that
// the checks before it did not catch, and then the user gets a line instead of a signal. A
// Failure of the act is thrown here as if it had happened here.
std::string rehearse(const std::string& what, const std::function<std::string()>& act);

}  // namespace nnrun
