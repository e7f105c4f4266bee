#include "bench.h"

#include <limits>

#include "clock.h"
#include "common.h"
#include "failure.h"
#include "file.h"
#include "header.h"
#include "lines.h"
#include "machine.h"
#include "outputs.h"
#include "probe.h"
#include "splitmix.h"
#include "stop.h"

namespace nnrun {
namespace {

constexpr int most_loops = 1000000;

struct Plan {
    Shape shape;
    unsigned long long seed = 1;
    int warmup = 0;
    int loops = 0;      // at least; exactly when there is no budget
    double budget = 0;  // in ms
    std::string folder;
};

Plan read_plan(const Args& args) {
    Plan plan;
    plan.shape = args.sizes("--shape", ',', 1, 3);
    plan.seed = args.seed("--seed", 1);
    plan.warmup = args.integer("--warmup", 0, most_loops, 8);
    if (args.has("--loops") == args.has("--budget")) args.reject("give exactly one of --loops and --budget");
    if (args.has("--loops") && args.has("--min-loops")) args.reject("--min-loops goes with --budget");
    plan.loops = args.has("--loops") ? args.integer("--loops", 1, most_loops, 1) : args.integer("--min-loops", 1, most_loops, 1);
    plan.budget = args.number("--budget", 0.001, 86400, 0) * 1000;
    plan.folder = args.text("--save-outputs");
    if (!plan.folder.empty()) check_folder(plan.folder);
    return plan;
}

json::Object describe(const Model& model, const Plan& plan) {
    json::Object input;
    input.text("blob", model.input().name).raw("shape", json::integers(plan.shape));
    input.text("source", "splitmix64").raw("seed", std::to_string(plan.seed));
    return input;
}

class Bench {
public:
    Bench(const Model& model, const Plan& plan) : model_(model), plan_(plan), input_(make_mat(plan.shape)) {
        if (input_.empty()) throw Failure(Exit::input, "--shape " + shown(plan.shape) + ": not enough memory; use a smaller one");
        fill_splitmix(input_, plan.seed);
        probe(model_, input_, "check --shape");
    }

    void measure() {
        warmups_.reserve(static_cast<std::size_t>(plan_.warmup));
        samples_.reserve(static_cast<std::size_t>(plan_.budget > 0 ? most_loops : plan_.loops));
        for (int i = 0; i < plan_.warmup && stop_signal() == 0; ++i) warmups_.push_back(time_one());
        const Stopwatch total;
        while (stop_signal() == 0 && wants_more(total)) samples_.push_back(time_one());
    }

    void write_times() const {
        for (std::size_t i = 0; i < warmups_.size(); ++i) write_time("warmup", i, warmups_[i]);
        for (std::size_t i = 0; i < samples_.size(); ++i) write_time("sample", i, samples_[i]);
    }

    // Of one more inference: keeping outputs of timed ones would keep their memory.
    void write_outputs() const {
        std::vector<ncnn::Mat> outputs(model_.outputs().size());
        run(outputs);
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            const std::string& name = model_.outputs()[i].name;
            write_line(output_line(name, outputs[i], plan_.folder, file_name(name)).str());
        }
    }

    void write_summary() const {
        json::Object line;
        line.text("type", "summary").integer("samples", static_cast<long long>(samples_.size()));
        write_line(line.integer("peak_rss_kb", peak_rss_kb()).str());
    }

private:
    bool wants_more(const Stopwatch& total) const {
        const std::size_t done = samples_.size();
        if (done < static_cast<std::size_t>(plan_.loops)) return true;
        return plan_.budget > 0 && done < most_loops && total.ms() < plan_.budget;
    }

    double time_one() const {
        std::vector<ncnn::Mat> outputs(model_.outputs().size());
        const Stopwatch watch;
        run(outputs);
        return watch.ms();
    }

    void run(std::vector<ncnn::Mat>& outputs) const {
        if (model_.run(input_, outputs) != 0) throw Failure(Exit::input, "an inference failed; is there enough memory?");
    }

    static void write_time(const char* type, std::size_t i, double ms) {
        json::Object line;
        write_line(line.text("type", type).integer("i", static_cast<long long>(i)).number("ms", ms).str());
    }

    const Model& model_;
    const Plan& plan_;
    ncnn::Mat input_;
    std::vector<double> warmups_;
    std::vector<double> samples_;
};

}  // namespace

Verb bench_verb() {
    return {"bench", "Times a net on made-up input: every sample, one JSON line each.", "",
            with_common_flags({
                {"--shape", "C,H,W", "of the input; also H,W or W", true},
                {"--seed", "N", "of the input's splitmix64 stream; default 1"},
                {"--warmup", "N", "inferences before timing; default 8"},
                {"--loops", "N", "timed inferences"},
                {"--budget", "SECONDS", "instead of --loops: time inferences for so long"},
                {"--min-loops", "N", "with --budget: at least so many; default 1"},
                {"--save-outputs", "DIR", "write each output to DIR/<blob>.f32"},
            })};
}

int bench(const Args& args) {
    const Plan plan = read_plan(args);
    const Model model(read_request(args));
    Bench run(model, plan);
    write_line(header_line("bench", model, describe(model, plan)));
    write_line(load_line(model));
    run.measure();
    run.write_times();
    if (stop_signal() != 0) return 128 + stop_signal();
    run.write_outputs();
    run.write_summary();
    return 0;
}

}  // namespace nnrun
