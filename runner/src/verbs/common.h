#pragma once

#include <vector>

#include "core/args.h"
#include "net/model.h"

namespace nnrun {

// The flags that every verb shares, followed by its own.
std::vector<Flag> with_common_flags(const std::vector<Flag>& own);

Request read_request(const Args& args);

}  // namespace nnrun
