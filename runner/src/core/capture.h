#pragma once

#include <string>
#include <vector>

namespace nnrun {

// The first executable of that name on PATH, or "".
std::string find_program(const std::string& name);

// What a program prints on stdout; "" when it does not start, prints without end, or is not
// done within the limit, after which it is killed with all that it has started.
std::string capture(const std::string& program, const std::vector<std::string>& arguments, int limit_ms);

// Before the program is ended from another thread: the child ends, too, and none is started.
void end_capture();

}  // namespace nnrun
