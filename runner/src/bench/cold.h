#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/model.h"
#include "net/tensor.h"

namespace nnrun {

// Asks the kernel to forget what it keeps of a file in memory, so that the next read comes from
// the disk. True or false is whether it did so; the kernel reveals it only to the file's owner.
std::optional<bool> drop_pages(const std::string& path);

// The line of a cold start: how long loading and the first inference take in a process that
// has done neither, from files that are not in memory ("dropped": whether that is so, null
// where the kernel does not tell).
std::string cold_line(const Request& request, const std::vector<Shape>& shapes, unsigned long long seed);

}  // namespace nnrun
