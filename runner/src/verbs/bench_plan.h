#pragma once

#include <string>
#include <vector>

#include "bench/end_to_end.h"
#include "bench/sampling.h"
#include "bench/warmup.h"
#include "core/args.h"
#include "net/shape.h"
#include "net/splitmix.h"

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
