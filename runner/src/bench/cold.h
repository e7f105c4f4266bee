#pragma once

#include <string>

#include "net/model.h"
#include "net/shape.h"

namespace nnrun {

// The line of a cold start: how long loading and the first inference take in a process that
// has done neither, from files that are not in memory ("dropped": whether that is so, null
// where the kernel does not tell).
std::string cold_line(const Request& request, const Shape& shape, unsigned long long seed);

}  // namespace nnrun
