#include "classifier.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "clock.h"
#include "failure.h"
#include "outputs.h"
#include "probe.h"

namespace nnrun {
namespace {

// Does the net end in a Softmax, whatever reshapes its result?
bool ends_in_softmax(const Graph& graph, const std::string& output) {
    const GraphLayer* layer = graph.producer(output);
    while (layer != nullptr && !layer->bottoms.empty() &&
           (layer->type == "Reshape" || layer->type == "Flatten" || layer->type == "Squeeze" || layer->type == "Split"))
        layer = graph.producer(layer->bottoms[0]);
    return layer != nullptr && layer->type == "Softmax";
}

std::vector<float> probabilities(const std::vector<float>& logits) {
    const double top = *std::max_element(logits.begin(), logits.end());
    std::vector<double> powers;
    for (const float logit : logits) powers.push_back(std::exp(static_cast<double>(logit) - top));
    const double sum = std::accumulate(powers.begin(), powers.end(), 0.0);
    std::vector<float> scores;
    for (const double power : powers) scores.push_back(static_cast<float>(power / sum));
    return scores;
}

std::vector<Score> best(const std::vector<float>& scores, int count) {
    std::vector<Score> sorted;
    for (std::size_t i = 0; i < scores.size(); ++i) sorted.push_back({i, scores[i]});
    const auto kept = std::min(scores.size(), static_cast<std::size_t>(count));
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(kept);
    std::partial_sort(sorted.begin(), middle, sorted.end(), [](const Score& a, const Score& b) {
        return a.value != b.value ? a.value > b.value : a.index < b.index;
    });
    sorted.resize(kept);
    return sorted;
}

}  // namespace

const char* const picture_advice = "check --resize and --crop, or --size";

Classifier::Classifier(const Model& model, const ClassifierPlan& plan) : model_(model), plan_(plan), feed_(plan.steps), checked_{plan.steps.shape()} {
    if (model.outputs().size() != 1)
        throw Failure(Exit::usage, "the net has " + std::to_string(model.outputs().size()) +
                                       " outputs; choose the one with the classes with --output-blob");
    const bool in_net = ends_in_softmax(model.graph(), output().name);
    applied_ = plan.softmax == "on" || (plan.softmax == "auto" && !in_net);
    softmax_ = applied_ ? "applied" : in_net ? "in-net" : "off";
}

json::Object Classifier::describe() const {
    json::Object input = plan_.steps.json();
    return input.text("blob", model_.input().name).text("softmax", softmax_);
}

Classification Classifier::operator()(const Image& image, Stages& ms) {
    Classification made;
    Stopwatch watch;
    const ncnn::Mat& input = feed_(image);
    ms.pre = watch.lap();
    check(input);
    watch.lap();
    made.logits = infer(input);
    ms.infer = watch.lap();
    made.top = rank(flat(made.logits));
    ms.post = watch.lap();
    return made;
}

// Once a shape: the check costs an inference.
void Classifier::check(const ncnn::Mat& input) {
    if (checked_.count(shape_of(input)) != 0) return;
    probe(model_, shape_of(input), picture_advice);
    checked_.insert(shape_of(input));
}

ncnn::Mat Classifier::infer(const ncnn::Mat& input) const {
    std::vector<ncnn::Mat> outputs(1);
    if (model_.run(input, outputs) != 0) throw Failure(Exit::input, "the inference failed; is there enough memory?");
    return outputs[0];
}

std::vector<Score> Classifier::rank(const std::vector<float>& raw) const {
    if (!all_finite(raw)) throw Failure(Exit::input, "the net's output holds NaN or infinity; try --precision fp32");
    if (plan_.labels && *plan_.labels != raw.size())
        throw Failure(Exit::input, "--labels holds " + std::to_string(*plan_.labels) + " lines and the net knows " +
                                       std::to_string(raw.size()) + " classes");
    return best(applied_ ? probabilities(raw) : raw, plan_.topk);
}

}  // namespace nnrun
