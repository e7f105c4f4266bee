#include "verbs/pictures.h"

#include <algorithm>

#include "core/failure.h"
#include "core/lines.h"
#include "text/picture_text.h"
#include "verbs/common.h"

namespace nnrun {

std::vector<Flag> picture_flags() {
    const std::vector<Flag> own{
        {"--picture", "FILE", "a picture that the model is shown first, JPEG or PNG"},
        {"--picture-param", "FILE", "the net that encodes it, a text .param"},
        {"--picture-bin", "FILE", "its weights"},
        {"--picture-token", "ID", "with --tokens: what stands for each of its rows"},
    };
    return join_flags({own, preprocess_flags()});
}

std::optional<PicturePlan> read_picture(const Args& args, const LanguagePlan& language) {
    const std::vector<Flag> flags = picture_flags();
    if (!args.has("--picture")) {
        for (const Flag& flag : flags)
            if (args.has(flag.name)) args.reject(flag.name + " needs --picture");
        return std::nullopt;
    }
    for (const char* const flag : {"--picture-param", "--picture-bin"})
        if (!args.has(flag)) args.reject("--picture needs " + std::string(flag));
    PicturePlan plan;
    plan.file = args.text("--picture");
    plan.net = language.request;
    plan.net.param = args.text("--picture-param");
    plan.net.bin = args.text("--picture-bin");
    plan.net.inputs = 1;
    plan.net.output_blobs.clear();
    plan.net.threads = language.prefill_threads.front();
    plan.steps = read_fixed_preprocess(args);
    plan.token = args.has("--picture-token") ? args.integer("--picture-token", 0, PictureRows::first_id - 1, 0) : -1;
    return plan;
}

std::unique_ptr<ShownPicture> open_picture(const std::optional<PicturePlan>& plan, const Tokenizer* tokenizer, const Tokens& prompt) {
    if (!plan) return nullptr;
    if (plan->token < 0) {
        if (tokenizer == nullptr) throw Failure(Exit::usage, "--tokens with --picture needs --picture-token");
        const PictureText text = picture_text(*tokenizer);
        return std::make_unique<ShownPicture>(*plan, static_cast<int>(text.token), text.rows);
    }
    const auto rows = static_cast<std::size_t>(std::count(prompt.begin(), prompt.end(), plan->token));
    if (rows == 0) throw Failure(Exit::input, "the prompt has no token " + std::to_string(plan->token) + " for the picture");
    return std::make_unique<ShownPicture>(*plan, plan->token, rows);
}

json::Object describe(const PicturePlan& plan) {
    json::Object object = plan.steps.json();
    return object.text("file", plan.file);
}

void write_picture_line(const ShownPicture& picture, const PictureTimes& times) {
    json::Object line, ms;
    ms.number("decode", times.decode).number("pre", times.pre).number("load", times.load).number("infer", times.infer);
    line.text("type", "picture").integer("rows", static_cast<long long>(picture.rows().ids().size()));
    write_line(line.raw("ms", ms.str()).str());
}

}  // namespace nnrun
