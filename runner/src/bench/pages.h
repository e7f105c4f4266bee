#pragma once

#include <optional>
#include <string>

namespace nnrun {

// Asks the kernel to forget what it keeps of a file in memory, so that the next read comes from
// the disk. True or false is whether it did so; the kernel tells only the file's owner.
std::optional<bool> drop_pages(const std::string& path);

}  // namespace nnrun
