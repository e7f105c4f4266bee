#include <algorithm>

#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/signals.h"
#include "io/inputs.h"
#include "net/probe.h"
#include "net/tensor.h"
#include "verbs/common.h"
#include "verbs/frames.h"
#include "verbs/verbs.h"
#include "vision/feed.h"
#include "vision/preprocess.h"

namespace nnrun {
namespace {

struct Plan {
    InputsPlan inputs;
    Preprocess steps;
    std::string folder;  // "": outputs are not kept
    PreviewPlan preview;
};

Plan read_plan(const Args& args) {
    Plan plan{read_inputs(args), read_fixed_preprocess(args), args.text("--save-outputs"), read_preview(args)};
    if (!plan.folder.empty()) check_folder(plan.folder);
    return plan;
}

double mean_of(const std::vector<float>& values) {
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value);
    return sum / static_cast<double>(values.size());
}

// Pictures through a net whose outputs are kept as they are.
class Outputs {
public:
    Outputs(const Model& model, const Plan& plan) : model_(model), plan_(plan), feed_(plan.steps), outputs_(model.outputs().size()) {}

    json::Object describe() const { return plan_.steps.json().text("blob", model_.input().name); }

    void write(const Frame& frame) {
        Stages ms;
        ms.decode = frame.decode_ms;
        Stopwatch watch;
        const ncnn::Mat& input = feed_(frame.image);
        ms.pre = watch.lap();
        model_.run(input, outputs_);
        ms.infer = watch.lap();
        std::vector<std::string> items;
        for (std::size_t i = 0; i < outputs_.size(); ++i) items.push_back(item(frame.index, i));
        ms.post = watch.lap();
        json::Object line;
        line.text("type", "outputs");
        frame.name(line).integer("width", frame.image.width).integer("height", frame.image.height);
        write_line(line.raw("outputs", json::array(items)).raw("ms", stages_json(ms)).str());
    }

private:
    // Numbered, as the names "a/b" and "a_b" are the same in a file's.
    std::string item(long index, std::size_t number) const {
        const std::string& name = model_.outputs()[number].name;
        const std::vector<float> values = flat(outputs_[number]);
        json::Object object;
        object.text("name", name).raw("shape", json::integers(shape_of(outputs_[number])));
        if (!plan_.folder.empty()) {
            const std::string file = std::to_string(index) + "." + std::to_string(number) + ".f32";
            write_floats(plan_.folder + "/" + file, values.data(), values.size());
            object.text("file", file);
        }
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        const bool finite = all_finite(values);
        object.boolean("finite", finite);
        object.raw("min", finite ? json::number(*low) : "null").raw("max", finite ? json::number(*high) : "null");
        return object.raw("mean", finite ? json::number(mean_of(values)) : "null").str();
    }

    const Model& model_;
    const Plan& plan_;
    Feed feed_;
    std::vector<ncnn::Mat> outputs_;
};

}  // namespace

std::vector<Flag> other_flags() {
    const std::vector<Flag> own{{"--save-outputs", "DIR", "write each output to DIR/<index>.<number>.f32"}};
    return with_net_flags(join_flags({own, input_flags(), preview_flags(), preprocess_flags()}));
}

int other(const Args& args) {
    const Plan plan = read_plan(args);
    const Request request = read_request(args);
    rehearse_model(request, plan.steps.shape(), "check --size");
    const Model model(request);
    Outputs outputs(model, plan);
    write_header(args, model, outputs.describe());
    const std::unique_ptr<Preview> preview = open_preview(plan.preview);
    const SignalCallback on_signal(finish_lines);
    const Tally tally = for_each_frame(args.verb(), plan.inputs, [&](Frame& frame) {
        outputs.write(frame);
        if (preview) preview->show(preview->is_watched() ? &frame.image : nullptr, {frame.index + 1, frame.dropped, ""});
    });
    write_summary(tally);
    return tally.failed == 0 ? 0 : static_cast<int>(Exit::input);
}

}  // namespace nnrun
