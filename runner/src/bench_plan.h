#pragma once

#include <string>
#include <vector>

#include "args.h"
#include "end_to_end.h"
#include "sampling.h"
#include "shape.h"
#include "splitmix.h"
#include "warmup.h"

namespace nnrun {

// What nnrun bench is asked for.
struct BenchPlan {
    Shape shape;
    unsigned long long seed = 1;
    Span span;
    WarmupPlan warmup;
    SamplingPlan sampling;
    bool cold = false;
    EndToEndPlan end_to_end;
    std::string folder;  // of the outputs; "": not kept
};

std::vector<Flag> bench_flags();
BenchPlan read_bench_plan(const Args& args);

}  // namespace nnrun
