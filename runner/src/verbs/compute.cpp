#include "verbs/verbs.h"

#include <set>

#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/rehearsal.h"
#include "net/probe.h"
#include "net/tensor.h"
#include "verbs/common.h"

namespace nnrun {
namespace {

struct Plan {
    std::vector<std::string> tensors;  // as many for each inference as the net has inputs
    std::string folder;
    bool every = false;
};

Plan read_plan(const Args& args) {
    Plan plan;
    plan.tensors = args.positional();
    plan.folder = args.text("--save-outputs");
    plan.every = args.has("--every-blob");
    if (plan.tensors.empty()) args.reject("a tensor is missing");
    if (plan.every && args.has("--output-blob")) args.reject("give at most one of --every-blob and --output-blob");
    check_folder(plan.folder);
    return plan;
}

// For a net of several inputs too.
Request request_of(const Args& args, const Plan& plan) {
    Request request = read_request(args);
    request.inputs = read_graph(request.param).inputs().size();
    if (request.inputs == 0) throw Failure(Exit::model, request.param + ": the net has no input");
    if (plan.tensors.size() % request.inputs != 0)
        args.reject("the net has " + std::to_string(request.inputs) + " inputs; " + std::to_string(plan.tensors.size()) +
                    " tensors are not a multiple of that");
    return request;
}

std::set<std::string> blobs_of(const Model& model, bool every) {
    std::set<std::string> blobs;
    for (const Blob& output : model.outputs()) blobs.insert(output.name);
    if (!every) return blobs;
    for (const GraphLayer& layer : model.graph().layers())
        if (layer.type != "Input") blobs.insert(layer.tops.begin(), layer.tops.end());
    return blobs;
}

class Computer {
public:
    Computer(const Model& model, const Plan& plan) : model_(model), plan_(plan), blobs_(blobs_of(model, plan.every)) {}

    std::size_t count() const { return plan_.tensors.size() / model_.inputs().size(); }

    void write(std::size_t index) {
        std::size_t number = 0;
        const auto write_blob = [&](const std::string& blob, const ncnn::Mat& values) {
            // Numbered, as the names "a/b" and "a_b" are the same in a file's.
            const std::string stem = std::to_string(index) + "." + std::to_string(number++) + "." + file_name(blob);
            json::Object line = output_line(blob, values, plan_.folder, stem);
            write_line(line.integer("index", static_cast<long long>(index)).str());
        };
        walk(model_, inputs(index), blobs_, write_blob, "check the tensors");
    }

private:
    std::vector<ncnn::Mat> inputs(std::size_t index) const {
        std::vector<ncnn::Mat> tensors;
        const std::size_t count_each = model_.inputs().size();
        for (std::size_t i = 0; i < count_each; ++i) tensors.push_back(read_npy(plan_.tensors[index * count_each + i]));
        return tensors;
    }

    const Model& model_;
    const Plan& plan_;
    const std::set<std::string> blobs_;
};

void compute_all(const Args& args, const Request& request, const Plan& plan) {
    const Model model(request);
    Computer computer(model, plan);
    json::Object input;
    input.text("source", "tensors").integer("count", static_cast<long long>(plan.tensors.size()));
    write_header(args, model, input);
    for (std::size_t i = 0; i < computer.count(); ++i) computer.write(i);
    json::Object summary;
    summary.text("type", "summary").integer("inferences", static_cast<long long>(computer.count()));
    write_line(summary.integer("peak_rss_kb", peak_rss_kb()).str());
}

}  // namespace

std::vector<Flag> compute_flags() {
    return with_net_flags({
        {"--save-outputs", "DIR", "write each output to DIR/<index>.<number>.<blob>.f32", true},
        {"--every-blob", "", "every blob that a layer makes, not only the outputs"},
    });
}

// Nothing here is timed, so the work itself is done in the child: every tensor may have a shape of its own.
int compute(const Args& args) {
    const Plan plan = read_plan(args);
    const Request request = request_of(args, plan);
    rehearse(request.param, [&] {
        const StderrCapture captured;
        compute_all(args, request, plan);
        return std::string();
    });
    return 0;
}

}  // namespace nnrun
