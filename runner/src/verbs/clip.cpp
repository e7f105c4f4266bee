#include <algorithm>
#include <optional>

#include "core/clock.h"
#include "core/failure.h"
#include "core/lines.h"
#include "core/signals.h"
#include "core/text.h"
#include "io/inputs.h"
#include "io/npy_writer.h"
#include "language/text_encoder.h"
#include "net/probe.h"
#include "net/tensor.h"
#include "verbs/common.h"
#include "verbs/frames.h"
#include "verbs/verbs.h"
#include "vision/feed.h"
#include "vision/preprocess.h"
#include "vision/similarity.h"

namespace nnrun {
namespace {

constexpr char place[] = "{}";

struct Text {
    std::string label;  // as it is shown
    std::string words;  // as it is encoded
};

struct Plan {
    InputsPlan inputs;
    Preprocess steps;
    std::vector<Text> texts;
    TextSettings settings;
    PairSettings pairs;
    std::size_t topk = 5;
    std::string table, tokenizer, embeddings;
    Request text_net;
    bool values = false;
};

std::string filled_in(const std::string& prompt, const std::string& label) {
    const std::size_t at = prompt.find(place);
    return at == std::string::npos ? prompt : prompt.substr(0, at) + label + prompt.substr(at + sizeof place - 1);
}

std::vector<Text> read_texts(const Args& args) {
    const std::string prompt = args.text("--prompt", place);
    if (prompt.find(place) == std::string::npos) args.reject("--prompt needs a {} where the label goes");
    std::vector<Text> texts;
    for (const std::string& label : args.texts("--label")) texts.push_back({label, filled_in(prompt, label)});
    for (const std::string& text : args.texts("--text")) texts.push_back({text, text});
    for (const Text& text : texts)
        if (words(text.label).empty()) args.reject("a label or a text is empty");
    return texts;
}

Request text_request(const Args& args, Request request) {
    request.param = args.text("--text-param");
    request.bin = args.text("--text-bin");
    request.input_blob.clear();
    request.output_blobs.clear();
    request.inputs = read_graph(request.param).inputs().size();
    if (request.inputs < 1 || request.inputs > 2)
        throw Failure(Exit::model, request.param + ": not a text encoder, which has one or two inputs");
    return request;
}

void read_text_side(const Args& args, const Request& request, Plan& plan) {
    for (const char* flag : {"--text-param", "--text-bin", "--tokens", "--tokenizer", "--end"})
        if (!args.has(flag)) args.reject("--label and --text need " + std::string(flag));
    plan.table = args.text("--tokens");
    plan.tokenizer = args.text("--tokenizer");
    plan.text_net = text_request(args, request);
    constexpr int most = 1 << 30;
    plan.settings.start = args.has("--start") ? args.integer("--start", 0, most, 0) : -1;
    plan.settings.end = static_cast<std::uint32_t>(args.integer("--end", 0, most, 0));
    plan.settings.filled = args.has("--filled");
    plan.pairs.sigmoid = args.choice("--activation", {"softmax", "sigmoid"}, "softmax") == "sigmoid";
    plan.pairs.scale = args.number("--scale", 0, 1e6, 100);
    plan.pairs.bias = args.number("--bias", -1e6, 1e6, 0);
}

Plan read_plan(const Args& args, const Request& request) {
    Plan plan;
    plan.texts = read_texts(args);
    if (!plan.texts.empty()) read_text_side(args, request, plan);
    const bool pictures = !args.positional().empty() || args.has("--list") || args.has("--stream");
    if (plan.texts.empty() || pictures) {
        plan.inputs = read_inputs(args);
        plan.steps = read_fixed_preprocess(args);
    }
    plan.topk = static_cast<std::size_t>(args.integer("--topk", 1, 1000000, 5));
    plan.embeddings = args.text("--embeddings");
    plan.values = args.has("--values");
    return plan;
}

// All that is written of embeddings: rows of a file, and lines.
class Rows {
public:
    explicit Rows(const Plan& plan) : values_(plan.values) {
        if (!plan.embeddings.empty()) file_.emplace(plan.embeddings);
    }

    void describe(json::Object& line, const std::vector<float>& embedding, bool is_text) {
        if (file_) line.integer("row", file_->add(embedding));
        if (values_ || (is_text && !file_)) line.raw("values", json::floats(embedding));
    }

    void finish() {
        if (file_) file_->finish();
    }

private:
    std::optional<NpyWriter> file_;
    bool values_;
};

// The texts' embeddings, normalised, each with a line.
std::vector<std::vector<float>> encode_texts(const Plan& plan, const Model& model, Rows& rows) {
    const TokenTable table(plan.table);
    const TextTokens tokenize(plan.tokenizer);
    TextSettings settings = plan.settings;
    settings.context = table.context();
    const TextEncoder encoder(model, table);
    std::vector<std::vector<float>> embeddings;
    for (std::size_t i = 0; i < plan.texts.size(); ++i) {
        const Text& text = plan.texts[i];
        const std::vector<std::uint32_t> tokens = with_ends(tokenize(text.words), settings, text.words);
        const Stopwatch watch;
        const std::vector<float> embedding = encoder(tokens);
        if (!all_finite(embedding)) throw Failure(Exit::model, "the embedding of a text is not finite; use --precision fp32");
        json::Object line;
        line.text("type", "text").integer("index", static_cast<long long>(i)).text("label", text.label).text("text", text.words);
        line.integer("tokens", static_cast<long long>(tokens.size()));
        rows.describe(line, embedding, true);
        write_line(line.number("ms", watch.ms()).str());
        embeddings.push_back(normalised(embedding));
    }
    return embeddings;
}

std::string top_json(const std::vector<Score>& top, const std::vector<Text>& texts) {
    std::vector<std::string> items;
    for (const Score& score : top) {
        json::Object item;
        item.integer("index", static_cast<long long>(score.index)).text("label", texts[score.index].label);
        items.push_back(item.raw("score", json::number(score.value)).str());
    }
    return json::array(items);
}

class Pictures {
public:
    Pictures(const Model& model, const Plan& plan, const std::vector<std::vector<float>>& labels, Rows& rows)
        : model_(model), plan_(plan), labels_(labels), rows_(rows), feed_(plan.steps), outputs_(model.outputs().size()) {}

    void write(const Frame& frame) {
        Stages ms;
        ms.decode = frame.decode_ms;
        Stopwatch watch;
        const ncnn::Mat& input = feed_(frame.image);
        ms.pre = watch.lap();
        model_.run(input, outputs_);
        const std::vector<float> embedding = flat(outputs_.front());
        ms.infer = watch.lap();
        if (!all_finite(embedding)) throw Failure(Exit::input, "the embedding is not finite; use --precision fp32");
        const std::vector<Score> top = rank_labels(normalised(embedding), labels_, plan_.pairs, plan_.topk);
        ms.post = watch.lap();
        json::Object line;
        line.text("type", "classification");
        frame.name(line).integer("width", frame.image.width).integer("height", frame.image.height);
        line.raw("top", top_json(top, plan_.texts));
        rows_.describe(line, embedding, false);
        write_line(line.raw("ms", stages_json(ms)).str());
    }

private:
    const Model& model_;
    const Plan& plan_;
    const std::vector<std::vector<float>>& labels_;
    Rows& rows_;
    Feed feed_;
    std::vector<ncnn::Mat> outputs_;
};

void rehearse_texts(const Plan& plan) {
    const TokenTable table(plan.table);
    const std::size_t tokens = plan.settings.filled ? table.context() : std::min<std::size_t>(table.context(), 8);
    rehearse_model(plan.text_net, text_shapes(plan.text_net.inputs, tokens, table.width()), "--text-param and --tokens belong together");
}

int finish(Rows& rows, const Tally& tally) {
    rows.finish();
    write_summary(tally);
    return tally.failed == 0 ? 0 : static_cast<int>(Exit::input);
}

json::Object describe(const Plan& plan, const Request& request) {
    json::Object object = plan.steps.shape().empty() ? json::Object().text("source", "texts") : plan.steps.json();
    object.integer("texts", static_cast<long long>(plan.texts.size())).number("scale", plan.pairs.scale).number("bias", plan.pairs.bias);
    object.text("activation", plan.pairs.sigmoid ? "sigmoid" : "softmax");
    return object.text("image_param", request.param);
}

}  // namespace

std::vector<Flag> clip_flags() {
    const std::vector<Flag> own{
        {"--label", "TEXT", "what may be in a picture; again for another one", false, true},
        {"--prompt", "TEXT", "the text for a label, with {} in the place of the label; default {}"},
        {"--text", "TEXT", "a text as it is, without the prompt; again for another one", false, true},
        {"--text-param", "FILE", "the net that encodes texts, a text .param"},
        {"--text-bin", "FILE", "its weights"},
        {"--tokens", "FILE", "its rows of tokens and positions"},
        {"--tokenizer", "FILE", "the flat file of the model's tokenizer"},
        {"--start", "ID", "the token a text begins with; default none"},
        {"--end", "ID", "the token it ends with"},
        {"--filled", "", "texts are filled up to the longest by that token"},
        {"--activation", "A", "softmax among the labels, or sigmoid of each; default softmax"},
        {"--scale", "X", "factor of a cosine; default 100"},
        {"--bias", "X", "added to it; default 0"},
        {"--topk", "N", "how many labels to report; default 5"},
        {"--embeddings", "FILE", "write all embeddings there, a row each, as .npy: texts, then pictures"},
        {"--values", "", "embeddings in the lines too"},
    };
    return with_net_flags(join_flags({own, input_flags(), preprocess_flags()}));
}

int clip(const Args& args) {
    const Request request = read_request(args);
    const Plan plan = read_plan(args, request);
    const bool pictures = !plan.steps.shape().empty();
    if (!plan.texts.empty()) rehearse_texts(plan);
    if (pictures) rehearse_model(request, plan.steps.shape(), "check --crop or --size");
    Rows rows(plan);
    std::optional<Model> text_net, image_net;
    if (!plan.texts.empty()) text_net.emplace(plan.text_net);
    if (pictures) image_net.emplace(request);
    if (text_net && image_net)
        write_header(args, *image_net, *text_net, describe(plan, request));
    else
        write_header(args, text_net ? *text_net : *image_net, describe(plan, request));
    const SignalCallback on_signal(finish_lines);
    const std::vector<std::vector<float>> labels = text_net ? encode_texts(plan, *text_net, rows) : std::vector<std::vector<float>>();
    if (!image_net) return finish(rows, Tally());
    Pictures shown(*image_net, plan, labels, rows);
    return finish(rows, for_each_frame(args.verb(), plan.inputs, [&](Frame& frame) { shown.write(frame); }));
}

}  // namespace nnrun
