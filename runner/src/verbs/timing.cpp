#include "verbs/timing.h"

namespace nnrun {
namespace {

constexpr double max_seconds = 86400;

double milliseconds(const Args& args, const std::string& flag, double fallback_s) {
    return args.number(flag, 0.001, max_seconds, fallback_s) * 1000;
}

}  // namespace

std::vector<Flag> timing_flags() {
    return {
        {"--warmup", "N|auto", "inferences before timing; auto: until their times are stable; default 8"},
        {"--warmup-budget", "SECONDS", "with --warmup auto: the longest it may take; default 10"},
        {"--loops", "N", "timed inferences"},
        {"--budget", "SECONDS", "instead of --loops: how long to time inferences"},
        {"--min-loops", "N", "with --budget: the fewest of them; default 1"},
        {"--interval", "FRACTION", "with --budget: until the 95 % interval of the median is within +- this fraction of it"},
        {"--min-seconds", "SECONDS", "with --interval: the shortest time, even where it is reached sooner; default 0"},
    };
}

void require(const Args& args, const std::string& flag, bool allowed, const std::string& what) {
    if (args.has(flag) && !allowed) args.reject(flag + " needs " + what);
}

WarmupPlan read_warmup(const Args& args) {
    WarmupPlan plan;
    plan.until_stable = args.text("--warmup") == "auto";
    require(args, "--warmup-budget", plan.until_stable, "--warmup auto");
    if (plan.until_stable)
        plan.max_ms = milliseconds(args, "--warmup-budget", 10);
    else
        plan.loops = args.integer("--warmup", 0, max_inferences, 8);
    return plan;
}

SamplingPlan read_sampling(const Args& args) {
    const bool timed = args.has("--budget");
    if (args.has("--loops") == timed) args.reject("give exactly one of --loops and --budget");
    require(args, "--min-loops", timed, "--budget");
    require(args, "--interval", timed, "--budget");
    require(args, "--min-seconds", args.has("--interval"), "--interval");
    SamplingPlan plan;
    plan.loops = args.integer(timed ? "--min-loops" : "--loops", 1, max_inferences, 1);
    if (timed) plan.budget_ms = milliseconds(args, "--budget", 0);
    plan.interval = args.number("--interval", 0.0001, 1, 0);
    plan.min_ms = args.number("--min-seconds", 0, max_seconds, 0) * 1000;
    return plan;
}

}  // namespace nnrun
