#include "verbs/verbs.h"

#include <cstdio>

#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/signals.h"
#include "io/inputs.h"
#include "net/probe.h"
#include "verbs/common.h"
#include "verbs/frames.h"
#include "vision/classifier.h"
#include "vision/draw.h"

namespace nnrun {
namespace {

struct Plan {
    InputsPlan inputs;
    ClassifierPlan classifier;
    std::vector<std::string> labels;
    std::string folder;
    PreviewPlan preview;
};

Plan read_plan(const Args& args) {
    Plan plan;
    plan.classifier = read_classifier(args);
    plan.classifier.topk = args.integer("--topk", 1, 1000000, 5);
    plan.folder = args.text("--save-outputs");
    plan.inputs = read_inputs(args);
    plan.preview = read_preview(args);
    if (!plan.folder.empty()) check_folder(plan.folder);
    if (args.has("--labels")) plan.labels = read_labels(args.text("--labels"));
    if (!plan.labels.empty()) plan.classifier.labels = plan.labels.size();
    return plan;
}

std::string top_json(const std::vector<Score>& top, const std::vector<std::string>& labels) {
    std::vector<std::string> items;
    for (const Score& score : top) {
        json::Object item;
        item.integer("index", static_cast<long long>(score.index));
        item.raw("label", labels.empty() ? "null" : json::quote(labels[score.index]));
        items.push_back(item.raw("score", json::number(score.value)).str());
    }
    return json::array(items);
}

// For people: "tabby 0.83".
std::string best_of(const std::vector<Score>& top, const std::vector<std::string>& labels) {
    if (top.empty()) return "";
    char score[16];
    std::snprintf(score, sizeof score, " %.2f", static_cast<double>(top.front().value));
    return (labels.empty() ? std::to_string(top.front().index) : labels[top.front().index]) + score;
}

void show(Preview& preview, Frame& frame, const std::string& seen) {
    const bool is_watched = preview.is_watched();
    if (is_watched) draw_title(frame.image, seen);
    preview.show(is_watched ? &frame.image : nullptr, {frame.index + 1, frame.dropped, seen});
}

void write_result(const Classifier& classifier, const Plan& plan, const Frame& frame, const Classification& result, const Stages& ms) {
    json::Object line;
    line.text("type", "classification");
    frame.name(line).integer("width", frame.image.width).integer("height", frame.image.height);
    line.raw("top", top_json(result.top, plan.labels)).text("activation", result.activation).raw("ms", stages_json(ms));
    if (!plan.folder.empty()) {
        const std::string& name = classifier.output().name;
        const std::string stem = std::to_string(frame.index) + "." + file_name(name);
        line.raw("output", output_line(name, result.logits, plan.folder, stem).str());
    }
    write_line(line.str());
}

}  // namespace

std::vector<Flag> classify_flags() {
    const std::vector<Flag> own{
        {"--labels", "FILE", "one label a line"},
        {"--topk", "N", "how many classes to report; default 5"},
        {"--save-outputs", "DIR", "write raw outputs to DIR/<index>.<blob>.f32"},
    };
    return with_net_flags(join_flags({own, classifier_flags(), input_flags(), preview_flags(), preprocess_flags()}));
}

int classify(const Args& args) {
    const Plan plan = read_plan(args);
    const Request request = read_request(args);
    rehearse_model(request, plan.classifier.steps.shape(), picture_advice);
    const Model model(request);
    Classifier classifier(model, plan.classifier);
    write_header(args, model, classifier.describe());
    const SignalCallback on_signal(finish_lines);
    const std::unique_ptr<Preview> preview = open_preview(plan.preview);
    const Tally tally = for_each_frame(args.verb(), plan.inputs, [&](Frame& frame) {
        Stages ms;
        ms.decode = frame.decode_ms;
        const Classification result = classifier(frame.image, ms);
        if (preview) show(*preview, frame, best_of(result.top, plan.labels));
        write_result(classifier, plan, frame, result, ms);
    });
    write_summary(tally);
    return tally.failed == 0 ? 0 : static_cast<int>(Exit::input);
}

}  // namespace nnrun
