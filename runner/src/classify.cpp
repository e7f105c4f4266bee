#include "classify.h"

#include <cstdio>

#include "classifier.h"
#include "common.h"
#include "failure.h"
#include "file.h"
#include "header.h"
#include "lines.h"
#include "machine.h"
#include "outputs.h"
#include "probe.h"
#include "text.h"

namespace nnrun {
namespace {

struct Plan {
    ClassifierPlan classifier;
    std::vector<std::string> labels;
    std::string folder;
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
    plan.classifier.steps = read_preprocess(args);
    plan.classifier.topk = args.integer("--topk", 1, 1000000, 5);
    plan.classifier.softmax = args.choice("--softmax", {"auto", "on", "off"}, "auto");
    plan.folder = args.text("--save-outputs");
    if (args.positional().empty()) args.reject("name at least one image");
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

std::string ms_json(const Steps& ms) {
    json::Object object;
    object.number("decode", ms.decode).number("pre", ms.pre).number("infer", ms.infer).number("post", ms.post);
    return object.str();
}

void write_result(const Classifier& classifier, const Plan& plan, std::size_t index, const std::string& path,
                  const Classification& found) {
    json::Object line;
    line.text("type", "classification").text("image", path).integer("width", found.width).integer("height", found.height);
    line.raw("top", top_json(found.top, plan.labels)).text("softmax", classifier.softmax()).raw("ms", ms_json(found.ms));
    if (!plan.folder.empty()) {
        const std::string& name = classifier.output().name;
        const std::string stem = std::to_string(index) + "." + file_name(name);
        line.raw("output", output_line(name, found.logits, plan.folder, stem).str());
    }
    write_line(line.str());
}

void report(const std::string& path, const std::string& error) {
    std::fprintf(stderr, "nnrun classify: %s\n", printable(error).c_str());
    write_line(json::Object().text("type", "error").text("image", path).text("error", error).str());
}

// A picture that fails is reported, and the others go on; nobody listening is the end.
bool attempt(Classifier& classifier, const Plan& plan, std::size_t index, const std::string& path) {
    try {
        write_result(classifier, plan, index, path, classifier(path));
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
    rehearse_model(request, plan.classifier.steps.shape(), picture_advice);
    const Model model(request);
    Classifier classifier(model, plan.classifier);
    write_line(header_line("classify", model, classifier.describe()));
    write_line(load_line(model));
    const std::vector<std::string>& paths = args.positional();
    int failed = 0;
    for (std::size_t i = 0; i < paths.size(); ++i) failed += attempt(classifier, plan, i, paths[i]) ? 0 : 1;
    write_summary(paths.size(), failed);
    return failed == 0 ? 0 : static_cast<int>(Exit::input);
}

}  // namespace nnrun
