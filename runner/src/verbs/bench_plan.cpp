#include "verbs/bench_plan.h"

#include "core/file.h"

namespace nnrun {
namespace {

constexpr double longest_s = 86400;

double milliseconds(const Args& args, const std::string& flag, double fallback_s) {
    return args.number(flag, 0.001, longest_s, fallback_s) * 1000;
}

void require(const Args& args, const std::string& flag, bool other, const std::string& what) {
    if (args.has(flag) && !other) args.reject(flag + " goes with " + what);
}

Span read_span(const Args& args) {
    Span span;
    if (!args.has("--span")) return span;
    const std::vector<float> ends = args.floats("--span", 2, 0);
    span = {ends[0], ends[1]};
    if (!(span.low < span.high)) args.reject("--span begins with the lower end");
    return span;
}

WarmupPlan read_warmup(const Args& args) {
    WarmupPlan plan;
    plan.until_stable = args.text("--warmup") == "auto";
    require(args, "--warmup-budget", plan.until_stable, "--warmup auto");
    if (plan.until_stable)
        plan.bound_ms = milliseconds(args, "--warmup-budget", 10);
    else
        plan.loops = args.integer("--warmup", 0, most_inferences, 8);
    return plan;
}

SamplingPlan read_sampling(const Args& args) {
    const bool timed = args.has("--budget");
    if (args.has("--loops") == timed) args.reject("give exactly one of --loops and --budget");
    require(args, "--min-loops", timed, "--budget");
    require(args, "--interval", timed, "--budget");
    require(args, "--min-seconds", args.has("--interval"), "--interval");
    SamplingPlan plan;
    plan.loops = args.integer(timed ? "--min-loops" : "--loops", 1, most_inferences, 1);
    if (timed) plan.budget_ms = milliseconds(args, "--budget", 0);
    plan.interval = args.number("--interval", 0.0001, 1, 0);
    plan.least_ms = args.number("--min-seconds", 0, longest_s, 0) * 1000;
    return plan;
}

EndToEndPlan read_end_to_end(const Args& args) {
    EndToEndPlan plan;
    plan.picture = args.text("--picture");
    for (const Flag& flag : preprocess_flags()) require(args, flag.name, !plan.picture.empty(), "--picture");
    for (const Flag& flag : classifier_flags()) require(args, flag.name, !plan.picture.empty(), "--picture");
    for (const Flag& flag : head_flags(false)) require(args, flag.name, !plan.picture.empty(), "--picture");
    require(args, "--end-to-end", !plan.picture.empty(), "--picture");
    plan.most = args.integer("--end-to-end", 1, most_inferences, 20);
    plan.classifier = read_classifier(args);
    if (args.has("--head")) plan.head = read_head(args, Task::detect, dense_kinds);
    return plan;
}

}  // namespace

std::vector<Flag> bench_flags() {
    std::vector<Flag> flags{
        {"--shape", "C,H,W", "of the input; also H,W or W", true},
        {"--seed", "N", "of the input's splitmix64 stream; default 1"},
        {"--span", "LOW,HIGH", "of the input's values; default -1,1"},
        {"--warmup", "N|auto", "inferences before timing; auto: until their times are stable; default 8"},
        {"--warmup-budget", "SECONDS", "with --warmup auto: at most so long; default 10"},
        {"--loops", "N", "timed inferences"},
        {"--budget", "SECONDS", "instead of --loops: time inferences for so long"},
        {"--min-loops", "N", "with --budget: at least so many; default 1"},
        {"--interval", "FRACTION", "with --budget: until the 95 % interval of the median is within +- this fraction of it"},
        {"--min-seconds", "SECONDS", "with --interval: at least so long, however soon it is reached; default 0"},
        {"--cold", "", "also time loading and the first inference from files that are not in memory"},
        {"--picture", "FILE", "also time all from this file to its classes or, with --head, its objects"},
        {"--end-to-end", "N", "with --picture: as often as inferences are timed, but at most N times; default 20"},
        {"--save-outputs", "DIR", "write each output to DIR/<blob>.f32"},
    };
    const std::vector<Flag> steps = preprocess_flags();
    flags.insert(flags.end(), steps.begin(), steps.end());
    for (const std::vector<Flag>& more : {classifier_flags(), head_flags(false)}) flags.insert(flags.end(), more.begin(), more.end());
    return flags;
}

BenchPlan read_bench_plan(const Args& args) {
    BenchPlan plan;
    plan.shape = args.sizes("--shape", ',', 1, 3);
    plan.seed = args.seed("--seed", 1);
    plan.span = read_span(args);
    plan.warmup = read_warmup(args);
    plan.sampling = read_sampling(args);
    plan.cold = args.has("--cold");
    plan.end_to_end = read_end_to_end(args);
    plan.folder = args.text("--save-outputs");
    if (!plan.folder.empty()) check_folder(plan.folder);
    return plan;
}

}  // namespace nnrun
