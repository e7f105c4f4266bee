#include "verbs/bench.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "bench/cold.h"
#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/stop.h"
#include "net/probe.h"
#include "net/splitmix.h"
#include "verbs/bench_plan.h"
#include "verbs/common.h"
#include "verbs/header.h"
#include "verbs/outputs.h"

namespace nnrun {
namespace {

json::Object describe(const Model& model, const BenchPlan& plan) {
    json::Object input;
    input.text("blob", model.input().name).raw("shape", json::integers(plan.shape));
    input.text("source", "splitmix64").raw("seed", std::to_string(plan.seed));
    input.raw("span", json::floats({plan.span.low, plan.span.high}));
    return input;
}

class Bench {
public:
    Bench(const Model& model, const BenchPlan& plan)
        : model_(model),
          plan_(plan),
          input_(make_mat(plan.shape)),
          outputs_(model.outputs().size()),
          warmups_(plan.warmup.most()),
          samples_(plan.sampling.most()) {
        if (input_.empty()) throw Failure(Exit::input, "--shape " + shown(plan.shape) + ": not enough memory; use a smaller one");
        fill_splitmix(input_, plan.seed, plan.span);
        if (!plan.end_to_end.picture.empty()) end_to_end_.emplace(model, plan.end_to_end);
    }

    void measure() {
        const LastWords last_words([this] { write_times(); });
        Warmup warmup(plan_.warmup);
        while (warmup.wants_more(warmups_)) time_one(warmups_);
        Sampling sampling(plan_.sampling);
        while (sampling.wants_more(samples_)) time_one(samples_);
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
        const int count = end_to_end_ ? std::min(plan_.end_to_end.most, samples_.count()) : 0;
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

    void run() {
        if (model_.run(input_, outputs_) != 0) throw Failure(Exit::input, "an inference failed; is there enough memory?");
    }

    void forget_outputs() {
        for (ncnn::Mat& output : outputs_) output.release();
    }

    // By whoever comes first, the end of the measurement or a signal.
    void write_times() {
        std::call_once(written_, [this] {
            warmups_.write("warmup");
            samples_.write("sample");
        });
    }

    const Model& model_;
    const BenchPlan& plan_;
    ncnn::Mat input_;
    std::vector<ncnn::Mat> outputs_;
    Times warmups_;
    Times samples_;
    std::optional<EndToEnd> end_to_end_;
    std::once_flag written_;
    json::Object summary_ = json::Object().text("type", "summary");
};

}  // namespace

Verb bench_verb() {
    return {"bench", "Times a net on made-up input: every sample, one JSON line each.", "", with_common_flags(bench_flags())};
}

int bench(const Args& args) {
    const BenchPlan plan = read_bench_plan(args);
    const Request request = read_request(args);
    rehearse_model(request, plan.shape, "check --shape");
    if (!plan.end_to_end.picture.empty()) check_picture(plan.end_to_end, plan.shape);
    if (plan.end_to_end.head) rehearse_detector(request, *plan.end_to_end.head, plan.end_to_end.classifier.steps, 0);
    const std::string cold = plan.cold ? cold_line(request, plan.shape, plan.seed) : "";
    const Model model(request);
    Bench run(model, plan);
    write_line(header_line("bench", model, describe(model, plan)));
    write_line(load_line(model));
    if (!cold.empty()) write_line(cold);
    run.measure();
    run.write_outputs();
    run.measure_end_to_end();
    run.write_summary();
    return 0;
}

}  // namespace nnrun
