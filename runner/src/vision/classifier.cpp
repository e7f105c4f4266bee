#include "vision/classifier.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/clock.h"
#include "core/failure.h"
#include "core/text.h"
#include "net/probe.h"

namespace nnrun {
namespace {

constexpr int max_depth = 8;  // sums and joins within each other
constexpr int log_op = 8, div_op = 3, rsub_op = 7, sum_op = 0;

bool passes(const GraphLayer& layer) {
    static const std::vector<std::string> types{"Clip", "Crop",    "Dropout", "ExpandDims", "Flatten",
                                                "Noop", "Permute", "Reshape", "Split",      "Squeeze"};
    return std::find(types.begin(), types.end(), layer.type) != types.end();
}

// What makes the blob, whatever reshapes it.
const GraphLayer* producer_of(const Graph& graph, const std::string& blob) {
    const GraphLayer* layer = graph.producer(blob);
    while (layer != nullptr && !layer->bottoms.empty() && passes(*layer)) layer = graph.producer(layer->bottoms[0]);
    return layer;
}

bool is_binary(const GraphLayer& layer, int op, std::size_t inputs) {
    return layer.type == "BinaryOp" && layer.param(0, 0) == op && layer.bottoms.size() == inputs;
}

bool is_sum(const GraphLayer* layer) { return layer != nullptr && layer->type == "Reduction" && layer->param(0, 0) == sum_op; }

Ending ending_at(const Graph& graph, const std::string& blob, int depth) {
    const GraphLayer* layer = producer_of(graph, blob);
    if (layer == nullptr || depth == 0) return Ending::logits;
    const auto probable = [&](const std::string& bottom) { return ending_at(graph, bottom, depth - 1) == Ending::probabilities; };
    if (layer->type == "Softmax" || layer->type == "Sigmoid" || layer->type == "HardSigmoid") return Ending::probabilities;
    if (layer->type == "UnaryOp" && layer->param(0, 0) == log_op && probable(layer->bottoms[0])) return Ending::log_probabilities;
    if (is_binary(*layer, div_op, 2) && is_sum(producer_of(graph, layer->bottoms[1]))) return Ending::probabilities;
    const bool whole = is_binary(*layer, rsub_op, 1) || layer->type == "Concat";
    if (whole && std::all_of(layer->bottoms.begin(), layer->bottoms.end(), probable)) return Ending::probabilities;
    return Ending::logits;
}

std::vector<double> softmax(const std::vector<float>& logits) {
    const double top = *std::max_element(logits.begin(), logits.end());
    std::vector<double> powers;
    for (const float logit : logits) powers.push_back(std::exp(static_cast<double>(logit) - top));
    const double sum = std::accumulate(powers.begin(), powers.end(), 0.0);
    for (double& power : powers) power /= sum;
    return powers;
}

double activated(double value, const std::string& activation) {
    if (activation == "sigmoid") return 1 / (1 + std::exp(-value));
    return activation == "exp" ? std::exp(value) : value;
}

}  // namespace

Ending ending_of(const Graph& graph, const std::string& output) { return ending_at(graph, output, max_depth); }

const std::vector<std::string>& activations() {
    static const std::vector<std::string> names{"auto", "softmax", "sigmoid", "exp", "none"};
    return names;
}

std::string resolved(const std::string& activation, Ending ending, std::size_t count) {
    if (activation != "auto") return activation;
    if (ending == Ending::probabilities) return "none";
    if (ending == Ending::log_probabilities) return "exp";
    return count == 1 ? "sigmoid" : "softmax";
}

std::vector<float> scores_of(const std::vector<float>& raw, const std::string& activation, std::size_t classes) {
    std::vector<double> scores;
    if (activation == "softmax")
        scores = softmax(raw);
    else
        for (const float value : raw) scores.push_back(activated(value, activation));
    if (scores.size() == 1 && classes == 2) scores.insert(scores.begin(), 1 - scores[0]);
    return {scores.begin(), scores.end()};
}

namespace {

std::size_t output_index(const Model& model, const std::string& name) {
    const std::vector<Blob>& outputs = model.outputs();
    const auto output = std::find_if(outputs.begin(), outputs.end(), [&](const Blob& blob) { return blob.name == name; });
    if (output != outputs.end()) return static_cast<std::size_t>(output - outputs.begin());
    std::vector<std::string> names;
    for (const Blob& blob : outputs) names.push_back(blob.name);
    if (!name.empty()) throw Failure(Exit::usage, "--classes " + name + ": the net's outputs are " + join(names, ", "));
    if (names.size() > 1)
        throw Failure(Exit::usage, "the net has " + std::to_string(names.size()) + " outputs (" + join(names, ", ") +
                                       "); choose the one with the classes with --classes, or --output-blob");
    return 0;
}

const char* name_of(Ending ending) {
    if (ending == Ending::logits) return "logits";
    return ending == Ending::probabilities ? "probabilities" : "log-probabilities";
}

std::vector<Score> best(const std::vector<float>& scores, int count) {
    std::vector<Score> sorted;
    for (std::size_t i = 0; i < scores.size(); ++i) sorted.push_back({i, scores[i]});
    const auto size = std::min(scores.size(), static_cast<std::size_t>(count));
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(size);
    std::partial_sort(sorted.begin(), middle, sorted.end(),
                      [](const Score& a, const Score& b) { return a.value != b.value ? a.value > b.value : a.index < b.index; });
    sorted.resize(size);
    return sorted;
}

}  // namespace

const char* const picture_advice = "check --resize and --crop, or --size";

std::vector<Flag> classifier_flags() {
    return {
        {"--classes", "BLOB", "the output with the classes, of a net that has several"},
        {"--activation", "A", "what turns it into scores: softmax, sigmoid (of each class), exp or none; default auto: as the net ends"},
    };
}

ClassifierPlan read_classifier(const Args& args) {
    ClassifierPlan plan;
    plan.steps = read_preprocess(args);
    plan.classes = args.text("--classes");
    plan.activation = args.choice("--activation", activations(), "auto");
    return plan;
}

Classifier::Classifier(const Model& model, const ClassifierPlan& plan)
    : model_(model), plan_(plan), output_(output_index(model, plan.classes)), feed_(plan.steps), checked_{plan.steps.shape()} {
    ending_ = ending_of(model.graph(), output().name);
}

json::Object Classifier::describe() const {
    json::Object input = plan_.steps.json();
    input.text("blob", model_.input().name).text("classes", output().name);
    return input.text("ends_in", name_of(ending_)).text("activation", plan_.activation);
}

std::string Classifier::activation(std::size_t values) const { return resolved(plan_.activation, ending_, values); }

Classification Classifier::operator()(const Image& image, Stages& ms) {
    Classification result;
    Stopwatch watch;
    const ncnn::Mat& input = feed_(image);
    ms.pre = watch.lap();
    check(input);
    watch.lap();
    result.logits = infer(input);
    ms.infer = watch.lap();
    const std::vector<float> raw = flat(result.logits);
    result.activation = activation(raw.size());
    result.top = rank(raw, result.activation);
    ms.post = watch.lap();
    return result;
}

// Once a shape: the check costs an inference.
void Classifier::check(const ncnn::Mat& input) {
    if (checked_.count(shape_of(input)) != 0) return;
    probe(model_, shape_of(input), picture_advice);
    checked_.insert(shape_of(input));
}

ncnn::Mat Classifier::infer(const ncnn::Mat& input) const {
    std::vector<ncnn::Mat> outputs(model_.outputs().size());
    model_.run(input, outputs);
    return outputs[output_];
}

std::vector<Score> Classifier::rank(const std::vector<float>& raw, const std::string& activation) const {
    if (!all_finite(raw)) throw Failure(Exit::input, "the net's output holds NaN or infinity; try --precision fp32");
    if (activation == "softmax" && raw.size() == 1)
        throw Failure(Exit::input, "the softmax of a single value is always 1; use --activation sigmoid");
    const std::vector<float> scores = scores_of(raw, activation, plan_.labels.value_or(raw.size()));
    if (plan_.labels && *plan_.labels != scores.size())
        throw Failure(Exit::input, "--labels holds " + std::to_string(*plan_.labels) + " lines and the net has " +
                                       std::to_string(raw.size()) + " classes");
    return best(scores, plan_.topk);
}

}  // namespace nnrun
