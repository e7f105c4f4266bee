#include "classify.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <set>

#include "clock.h"
#include "common.h"
#include "decode.h"
#include "failure.h"
#include "file.h"
#include "header.h"
#include "lines.h"
#include "machine.h"
#include "outputs.h"
#include "preprocess.h"
#include "probe.h"
#include "text.h"

namespace nnrun {
namespace {

const char* const advice = "check --resize and --crop";

struct Plan {
    Preprocess steps;
    std::vector<std::string> labels;
    int topk = 5;
    std::string softmax;
    std::string folder;
};

struct Score {
    std::size_t index;
    float value;
};

std::vector<std::string> read_labels(const std::string& path) {
    const std::vector<unsigned char> bytes = read_file(path, Exit::input);
    std::vector<std::string> labels = split(std::string(bytes.begin(), bytes.end()), '\n');
    if (labels.back().empty()) labels.pop_back();
    for (std::string& label : labels)
        if (!label.empty() && label.back() == '\r') label.pop_back();
    return labels;
}

Plan read_plan(const Args& args) {
    Plan plan;
    plan.steps = read_preprocess(args);
    plan.topk = args.integer("--topk", 1, 1000000, 5);
    plan.softmax = args.choice("--softmax", {"auto", "on", "off"}, "auto");
    plan.folder = args.text("--save-outputs");
    if (args.positional().empty()) args.reject("name at least one image");
    if (!plan.folder.empty()) check_folder(plan.folder);
    if (args.has("--labels")) plan.labels = read_labels(args.text("--labels"));
    return plan;
}

// Does the net end in a Softmax, whatever reshapes its result?
bool ends_in_softmax(const Graph& graph, const std::string& output) {
    const GraphLayer* layer = graph.producer(output);
    while (layer != nullptr && !layer->bottoms.empty() &&
           (layer->type == "Reshape" || layer->type == "Flatten" || layer->type == "Squeeze" || layer->type == "Split"))
        layer = graph.producer(layer->bottoms[0]);
    return layer != nullptr && layer->type == "Softmax";
}

std::vector<float> softmax(const std::vector<float>& logits) {
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

class Classifier {
public:
    Classifier(const Model& model, const Plan& plan) : model_(model), plan_(plan), checked_{plan.steps.shape()} {
        if (model.outputs().size() != 1)
            throw Failure(Exit::usage, "the net has " + std::to_string(model.outputs().size()) +
                                           " outputs; choose the one with the classes with --output-blob");
        const bool in_net = ends_in_softmax(model.graph(), output().name);
        applied_ = plan.softmax == "on" || (plan.softmax == "auto" && !in_net);
        softmax_ = applied_ ? "applied" : in_net ? "in-net" : "off";
    }

    json::Object describe() const {
        json::Object input = plan_.steps.json();
        return input.text("blob", model_.input().name).text("softmax", softmax_);
    }

    void classify(std::size_t index, const std::string& path) {
        json::Object ms;
        Stopwatch watch;
        const Image image = read_image(path);
        ms.number("decode", watch.lap());
        const ncnn::Mat input = prepare(path, image);
        ms.number("pre", watch.lap());
        check(path, input);
        watch.lap();
        const ncnn::Mat logits = infer(path, input);
        ms.number("infer", watch.lap());
        const std::vector<Score> top = rank(path, flat(logits));
        ms.number("post", watch.lap());
        write_result(index, path, image, logits, top, ms);
    }

private:
    const Blob& output() const { return model_.outputs()[0]; }

    std::string stem(std::size_t index) const { return std::to_string(index) + "." + file_name(output().name); }

    ncnn::Mat prepare(const std::string& path, const Image& image) const {
        try {
            return plan_.steps(image);
        } catch (const Failure& failure) {
            throw Failure(failure.code, path + ": " + failure.what());
        }
    }

    // Once a shape: the check costs an inference.
    void check(const std::string& path, const ncnn::Mat& input) {
        if (checked_.count(shape_of(input)) != 0) return;
        try {
            probe(model_, shape_of(input), advice);
        } catch (const Failure& failure) {
            throw Failure(failure.code, path + ": " + failure.what());
        }
        checked_.insert(shape_of(input));
    }

    ncnn::Mat infer(const std::string& path, const ncnn::Mat& input) const {
        std::vector<ncnn::Mat> outputs(1);
        if (model_.run(input, outputs) != 0) throw Failure(Exit::input, path + ": the inference failed; is there enough memory?");
        return outputs[0];
    }

    void write_result(std::size_t index, const std::string& path, const Image& image, const ncnn::Mat& logits,
                      const std::vector<Score>& top, const json::Object& ms) const {
        json::Object line;
        line.text("type", "classification").text("image", path).integer("width", image.width).integer("height", image.height);
        line.raw("top", top_json(top)).text("softmax", softmax_).raw("ms", ms.str());
        if (!plan_.folder.empty()) line.raw("output", output_line(output().name, logits, plan_.folder, stem(index)).str());
        write_line(line.str());
    }

    std::vector<Score> rank(const std::string& path, const std::vector<float>& raw) const {
        if (!all_finite(raw)) throw Failure(Exit::input, path + ": the net's output holds NaN or infinity; try --precision fp32");
        if (!plan_.labels.empty() && plan_.labels.size() != raw.size())
            throw Failure(Exit::input, path + ": --labels holds " + std::to_string(plan_.labels.size()) +
                                           " lines and the net knows " + std::to_string(raw.size()) + " classes");
        return best(applied_ ? softmax(raw) : raw, plan_.topk);
    }

    std::string top_json(const std::vector<Score>& top) const {
        std::vector<std::string> items;
        for (const Score& score : top) {
            json::Object item;
            item.integer("index", static_cast<long long>(score.index));
            item.raw("label", plan_.labels.empty() ? "null" : json::quote(plan_.labels[score.index]));
            items.push_back(item.raw("score", json::number(score.value)).str());
        }
        return json::array(items);
    }

    const Model& model_;
    const Plan& plan_;
    bool applied_ = false;
    std::string softmax_;
    std::set<Shape> checked_;
};

void report(const std::string& path, const std::string& error) {
    std::fprintf(stderr, "nnrun classify: %s\n", printable(error).c_str());
    write_line(json::Object().text("type", "error").text("image", path).text("error", error).str());
}

// A picture that fails is reported, and the others go on; nobody listening is the end.
bool attempt(Classifier& classifier, std::size_t index, const std::string& path) {
    try {
        classifier.classify(index, path);
        return true;
    } catch (const std::bad_alloc&) {
        report(path, path + ": not enough memory; scale the picture down first");
    } catch (const Failure& failure) {
        if (failure.code == Exit::output) throw;
        report(path, failure.what());
    }
    return false;
}

void write_summary(std::size_t images, int failed) {
    json::Object line;
    line.text("type", "summary").integer("images", static_cast<long long>(images)).integer("failed", failed);
    write_line(line.integer("peak_rss_kb", peak_rss_kb()).str());
}

}  // namespace

Verb classify_verb() {
    std::vector<Flag> own{
        {"--labels", "FILE", "one label a line"},
        {"--topk", "N", "how many classes to report; default 5"},
        {"--softmax", "S", "auto (unless the net ends in one), on or off; default auto"},
        {"--save-outputs", "DIR", "write raw outputs to DIR/<index>.<blob>.f32"},
    };
    const std::vector<Flag> steps = preprocess_flags();
    own.insert(own.end(), steps.begin(), steps.end());
    return {"classify", "Classifies images: one JSON line each. EXIF orientation is applied.", "IMAGE...", with_common_flags(own)};
}

int classify(const Args& args) {
    const Plan plan = read_plan(args);
    const Request request = read_request(args);
    rehearse_model(request, plan.steps.shape(), advice);
    const Model model(request);
    Classifier classifier(model, plan);
    write_line(header_line("classify", model, classifier.describe()));
    write_line(load_line(model));
    const std::vector<std::string>& paths = args.positional();
    int failed = 0;
    for (std::size_t i = 0; i < paths.size(); ++i) failed += attempt(classifier, i, paths[i]) ? 0 : 1;
    write_summary(paths.size(), failed);
    return failed == 0 ? 0 : static_cast<int>(Exit::input);
}

}  // namespace nnrun
