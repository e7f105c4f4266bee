#pragma once

#include <string>
#include <vector>

#include "bench/sampling.h"
#include "core/args.h"

namespace nnrun {

// How often, or how long, something is timed.
std::vector<Flag> timing_flags();
WarmupPlan read_warmup(const Args& args);
SamplingPlan read_sampling(const Args& args);

// A flag that has no meaning without another one.
void require(const Args& args, const std::string& flag, bool allowed, const std::string& what);

}  // namespace nnrun
