#include "verbs/verbs.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "bench/cold.h"
#include "bench/end_to_end.h"
#include "bench/sampling.h"
#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/signals.h"
#include "net/probe.h"
#include "net/tensor.h"
#include "verbs/common.h"
#include "verbs/timing.h"

namespace nnrun {
namespace {

struct BenchPlan {
    std::vector<Shape> shapes;  // an input each
    unsigned long long seed = 1;
    Span span;
    WarmupPlan warmup;
    SamplingPlan sampling;
    bool cold = false;
    EndToEndPlan end_to_end;
    std::string folder;  // of the outputs; "": not kept
};

Span read_span(const Args& args) {
    Span span;
    if (!args.has("--span")) return span;
    const std::vector<float> ends = args.floats("--span", 2, 0);
    span = {ends[0], ends[1]};
    if (!(span.low < span.high)) args.reject("--span takes the lower end first");
    return span;
}

Task read_task(const Args& args) {
    const std::string name = args.choice("--task", {"detect", "segment", "pose", "obb"}, "detect");
    return name == "segment" ? Task::segment : name == "pose" ? Task::pose : name == "obb" ? Task::obb : Task::detect;
}

// From a picture's file to what the net sees, and from its outputs to what they mean.
std::vector<Flag> picture_flags() { return join_flags({preprocess_flags(), classifier_flags(), head_flags(false), region_flags()}); }

EndToEndPlan read_end_to_end(const Args& args) {
    EndToEndPlan plan;
    plan.picture = args.text("--picture");
    for (const Flag& flag : picture_flags()) require(args, flag.name, !plan.picture.empty(), "--picture");
    require(args, "--task", args.has("--head"), "--head");
    require(args, "--raw", !plan.picture.empty(), "--picture");
    require(args, "--end-to-end", !plan.picture.empty(), "--picture");
    plan.max_runs = args.integer("--end-to-end", 1, max_inferences, 20);
    plan.classifier = read_classifier(args);
    plan.raw = args.has("--raw");
    if (args.text("--head") == "semantic")
        plan.head = read_regions(args);
    else if (args.has("--head"))
        plan.head = read_head(args, read_task(args), dense_kinds);
    return plan;
}

BenchPlan read_bench_plan(const Args& args) {
    BenchPlan plan;
    plan.shapes = args.all_sizes("--shape", ',', 1, 3);
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

namespace {

json::Object describe(const Model& model, const BenchPlan& plan) {
    json::Object input;
    input.text("blob", model.input().name).raw("shape", json::integers(plan.shapes.front()));
    std::vector<std::string> further;
    for (std::size_t i = 1; i < plan.shapes.size(); ++i) further.push_back(json::integers(plan.shapes[i]));
    if (!further.empty()) input.raw("further", json::array(further));
    input.text("source", "splitmix64").raw("seed", std::to_string(plan.seed));
    input.raw("span", json::floats({plan.span.low, plan.span.high}));
    return input;
}

class Bench {
public:
    Bench(const Model& model, const BenchPlan& plan)
        : model_(model),
          plan_(plan),
          inputs_(made_up(plan.shapes, plan.seed, plan.span)),
          outputs_(model.outputs().size()),
          warmups_(plan.warmup.capacity()),
          samples_(plan.sampling.capacity()) {
        if (!plan.end_to_end.picture.empty()) end_to_end_.emplace(model, plan.end_to_end);
    }

    void measure() {
        const SignalCallback on_signal([this] { write_times(); });
        Warmup warmup(plan_.warmup);
        while (warmup.continues(warmups_)) time_one(warmups_);
        Sampling sampling(plan_.sampling);
        while (sampling.continues(samples_)) time_one(samples_);
        write_times();
        summary_.text("stopped", sampling.stopped()).text("warmup", warmup.ended());
    }

    // Of one more inference: keeping outputs of timed ones would keep their memory.
    void write_outputs() {
        run();
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            const std::string& name = model_.outputs()[i].name;
            write_line(output_line(name, outputs_[i], plan_.folder, file_name(name)).str());
        }
        forget_outputs();
        // Before pictures are decoded: that is not what an inference takes.
        summary_.integer("peak_rss_kb", peak_rss_kb());
    }

    void measure_end_to_end() {
        const int count = end_to_end_ ? std::min(plan_.end_to_end.max_runs, samples_.count()) : 0;
        if (end_to_end_) end_to_end_->write(count);
        summary_.integer("end_to_end", count);
    }

    void write_summary() {
        const auto interval = samples_.interval();
        summary_.raw("half_width", interval ? json::number(interval->half_width()) : "null");
        write_line(summary_.integer("samples", samples_.count()).str());
    }

private:
    void time_one(Times& times) {
        const double at_s = uptime_s();
        const Stopwatch watch;
        run();
        times.add(watch.ms(), at_s);
        forget_outputs();
    }

    void run() { model_.run(inputs_.data(), outputs_); }

    void forget_outputs() {
        for (ncnn::Mat& output : outputs_) output.release();
    }

    // Once, by the end of the measurement or by a signal.
    void write_times() {
        std::call_once(written_, [this] {
            warmups_.write("warmup");
            samples_.write("sample");
        });
    }

    const Model& model_;
    const BenchPlan& plan_;
    std::vector<ncnn::Mat> inputs_;
    std::vector<ncnn::Mat> outputs_;
    Times warmups_;
    Times samples_;
    std::optional<EndToEnd> end_to_end_;
    std::once_flag written_;
    json::Object summary_ = json::Object().text("type", "summary");
};

}  // namespace

void rehearse_head(const Request& request, const EndToEndPlan& plan) {
    if (!plan.head) return;
    if (plan.head->kind == "semantic")
        rehearse_segmenter(request, *plan.head, plan.classifier.steps, 0);
    else
        rehearse_detector(request, *plan.head, plan.classifier.steps, 0);
}

}  // namespace

std::vector<Flag> bench_flags() {
    const std::vector<Flag> inputs{
        {"--shape", "C,H,W", "of the input, also H,W or W; once for each input in the order of the .param", true, true},
        {"--seed", "N", "of the input's splitmix64 stream; default 1"},
        {"--span", "LOW,HIGH", "of the input's values; default -1,1"},
    };
    const std::vector<Flag> more{
        {"--cold", "", "also time loading and the first inference from files that are not in memory"},
        {"--picture", "FILE", "also time all from this file to its classes or, with --head, its objects or regions"},
        {"--task", "NAME", "with --head: what the net is for, detect, segment, pose or obb; default detect"},
        {"--raw", "", "with --picture: the net's outputs are what counts, whatever they mean"},
        {"--end-to-end", "N", "with --picture: as often as inferences are timed, but at most N times; default 20"},
        {"--save-outputs", "DIR", "write each output to DIR/<blob>.f32"},
    };
    return with_net_flags(join_flags({inputs, timing_flags(), more, picture_flags()}));
}

int bench(const Args& args) {
    const BenchPlan plan = read_bench_plan(args);
    Request request = read_request(args);
    request.inputs = plan.shapes.size();
    rehearse_model(request, plan.shapes, "check --shape");
    if (!plan.end_to_end.picture.empty()) check_picture(plan.end_to_end, plan.shapes.front());
    rehearse_head(request, plan.end_to_end);
    const std::string cold = plan.cold ? cold_line(request, plan.shapes, plan.seed) : "";
    const Model model(request);
    Bench run(model, plan);
    write_header(args, model, describe(model, plan));
    if (!cold.empty()) write_line(cold);
    run.measure();
    run.write_outputs();
    run.measure_end_to_end();
    run.write_summary();
    return 0;
}

}  // namespace nnrun
