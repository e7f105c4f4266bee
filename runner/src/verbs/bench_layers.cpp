#include <unistd.h>

#include <algorithm>

#include "bench/sampling.h"
#include "core/clock.h"
#include "core/failure.h"
#include "core/lines.h"
#include "net/probe.h"
#include "net/tensor.h"
#include "verbs/common.h"
#include "verbs/verbs.h"

namespace nnrun {
namespace {

// No Linux has a call of this number: it fails and does nothing, and an emulator's plugin sees it
// (piyard/measure/counted/cost.c).
constexpr long mark_call = 5000;
constexpr int default_loops = 20, default_warmup = 3, most_loops = 10000;

struct LayersPlan {
    std::vector<Shape> shapes;  // an input each
    int warmup = 0;
    int loops = 0;
    bool marks = false;
};

LayersPlan read_layers_plan(const Args& args) {
    LayersPlan plan;
    plan.shapes = args.all_sizes("--shape", ',', 1, 3);
    plan.warmup = args.integer("--warmup", 0, most_loops, default_warmup);
    plan.loops = args.integer("--loops", 1, most_loops, default_loops);
    plan.marks = args.has("--marks");
    return plan;
}

// Runs a net a layer at a time, in the order of its .param: what is computed is what an inference
// computes, casts and repacking of a layer's inputs included.
class LayerTimes {
public:
    LayerTimes(const Model& model, const LayersPlan& plan)
        : model_(model), plan_(plan), inputs_(made_up(plan.shapes, 1, Span())), times_(model.graph().layers().size()) {
        blobs_.set_size_compare_ratio(0.f);
        workspace_.set_size_compare_ratio(0.f);
    }

    void measure() {
        for (int i = 0; i < plan_.warmup; ++i) pass(false);
        for (int i = 0; i < plan_.loops; ++i) pass(true);
    }

    void write() {
        int count = 0;
        for (std::size_t i = 0; i < times_.size(); ++i) {
            if (times_[i].empty()) continue;
            const GraphLayer& layer = model_.graph().layers()[i];
            json::Object line;
            line.text("type", "layer").integer("i", static_cast<long long>(i)).text("name", layer.name).text("kind", layer.type);
            write_line(line.number("ms", median(times_[i].data(), times_[i].size())).str());
            ++count;
        }
        json::Object summary;
        write_line(summary.text("type", "summary").integer("layers", count).integer("loops", plan_.loops).str());
    }

private:
    void pass(bool kept) {
        ncnn::Extractor extractor = model_.net().create_extractor();
        extractor.set_blob_allocator(&blobs_);
        extractor.set_workspace_allocator(&workspace_);
        for (std::size_t i = 0; i < inputs_.size(); ++i) extractor.input(model_.inputs()[i].index, inputs_[i]);
        for (std::size_t i = 0; i < times_.size(); ++i) {
            if (model_.graph().layers()[i].type == "Input") continue;
            mark(kept, static_cast<long>(i) + 1);
            const Stopwatch watch;
            compute(extractor, model_.graph().layers()[i]);
            const double ms = watch.ms();
            mark(kept, 0);
            if (kept) times_[i].push_back(ms);
        }
    }

    // Blobs stay as the layer leaves them (type 1).
    void compute(ncnn::Extractor& extractor, const GraphLayer& layer) const {
        for (const std::string& top : layer.tops) {
            ncnn::Mat blob;
            if (extractor.extract(model_.blob_index(top), blob, 1) != 0)
                throw Failure(Exit::input, layer.title() + " cannot be computed; is there enough memory?");
        }
    }

    void mark(bool kept, long place) const {
        if (kept && plan_.marks) ::syscall(mark_call, place);
    }

    const Model& model_;
    const LayersPlan& plan_;
    // Pools like a net's own, whose blobs ncnn copies when they are extracted: no inference does that to each layer.
    ncnn::PoolAllocator blobs_, workspace_;
    std::vector<ncnn::Mat> inputs_;
    std::vector<std::vector<double>> times_;  // of each layer, in milliseconds
};

}  // namespace

std::vector<Flag> bench_layers_flags() {
    return with_net_flags({
        {"--shape", "C,H,W", "of the input, also H,W or W; once for each input in the order of the .param", true, true},
        {"--warmup", "N", "inferences before timing; default 3"},
        {"--loops", "N", "timed inferences; default 20"},
        {"--marks", "", "tell an emulator's plugin where each timed layer begins and ends"},
    });
}

int bench_layers(const Args& args) {
    const LayersPlan plan = read_layers_plan(args);
    Request request = read_request(args);
    request.inputs = plan.shapes.size();
    rehearse_model(request, plan.shapes, "check --shape");
    const Model model(request);
    json::Object input;
    input.text("source", "splitmix64").raw("shape", json::integers(plan.shapes.front()));
    write_header(args, model, input);
    LayerTimes times(model, plan);
    times.measure();
    times.write();
    return 0;
}

}  // namespace nnrun
