#include "bench.h"

#include <atomic>
#include <memory>
#include <mutex>

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

// Times that a signal's thread may read while they grow: they never move in memory.
class Times {
public:
    // Not cleared: untouched memory does not count as used.
    explicit Times(int most) : ms_(new double[static_cast<std::size_t>(most)]) {}

    void add(double ms) {
        const int i = count_.load(std::memory_order_relaxed);
        ms_[static_cast<std::size_t>(i)] = ms;
        count_.store(i + 1, std::memory_order_release);
    }

    int count() const { return count_.load(std::memory_order_acquire); }

    void write(const char* type) const {
        for (int i = 0; i < count(); ++i) {
            json::Object line;
            write_line(line.text("type", type).integer("i", i).number("ms", ms_[static_cast<std::size_t>(i)]).str());
        }
    }

private:
    std::unique_ptr<double[]> ms_;
    std::atomic<int> count_{0};
};

class Bench {
public:
    Bench(const Model& model, const Plan& plan)
        : model_(model),
          plan_(plan),
          input_(make_mat(plan.shape)),
          warmups_(plan.warmup),
          samples_(plan.budget > 0 ? most_loops : plan.loops) {
        if (input_.empty()) throw Failure(Exit::input, "--shape " + shown(plan.shape) + ": not enough memory; use a smaller one");
        fill_splitmix(input_, plan.seed);
    }

    void measure() {
        const LastWords last_words([this] { write_times(); });
        for (int i = 0; i < plan_.warmup; ++i) warmups_.add(time_one());
        const Stopwatch total;
        while (wants_more(total)) samples_.add(time_one());
        write_times();
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
        line.text("type", "summary").integer("samples", samples_.count());
        write_line(line.integer("peak_rss_kb", peak_rss_kb()).str());
    }

private:
    bool wants_more(const Stopwatch& total) const {
        const int done = samples_.count();
        if (done < plan_.loops) return true;
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

    // By whoever comes first, the end of the measurement or a signal.
    void write_times() {
        std::call_once(written_, [this] {
            warmups_.write("warmup");
            samples_.write("sample");
        });
    }

    const Model& model_;
    const Plan& plan_;
    ncnn::Mat input_;
    Times warmups_;
    Times samples_;
    std::once_flag written_;
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
    const Request request = read_request(args);
    rehearse_model(request, plan.shape, "check --shape");
    const Model model(request);
    Bench run(model, plan);
    write_line(header_line("bench", model, describe(model, plan)));
    write_line(load_line(model));
    run.measure();
    run.write_outputs();
    run.write_summary();
    return 0;
}

}  // namespace nnrun
