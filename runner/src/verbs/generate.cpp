#include "verbs/verbs.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "core/failure.h"
#include "core/file.h"
#include "core/text.h"
#include "text/chat.h"
#include "text/picture_text.h"
#include "verbs/common.h"
#include "verbs/generation.h"
#include "verbs/pictures.h"

namespace nnrun {
namespace {

struct Plan {
    LanguagePlan language;
    AnswerPlan answer;
    std::optional<PicturePlan> picture;
};

// Exactly one says what the prompt is.
const std::vector<std::string>& prompt_flags() {
    static const std::vector<std::string> names{"--prompt", "--prompt-file", "--tokens"};
    return names;
}

Plan read_plan(const Args& args) {
    Plan plan;
    plan.language = read_language(args);
    plan.answer = read_answer(args);
    plan.picture = read_picture(args, plan.language);
    const auto given = [&](const std::string& name) { return args.has(name); };
    if (std::count_if(prompt_flags().begin(), prompt_flags().end(), given) != 1)
        args.reject("give exactly one of " + join(prompt_flags(), ", "));
    if (!args.has("--tokens") && plan.answer.tokenizer.empty()) args.reject("--prompt and --prompt-file need --tokenizer");
    if (args.has("--chat") && args.has("--tokens")) args.reject("--chat needs --prompt or --prompt-file");
    for (const char* const flag : {"--system", "--no-thinking"})
        if (args.has(flag) && !args.has("--chat")) args.reject(std::string(flag) + " needs --chat");
    return plan;
}

std::string read_text(const Args& args) {
    if (args.has("--prompt")) return args.text("--prompt");
    const std::vector<unsigned char> bytes = read_file(args.text("--prompt-file"), Exit::input);
    return {bytes.begin(), bytes.end()};
}

Tokens read_prompt(const Args& args, const Tokenizer* tokenizer) {
    if (args.has("--tokens")) return read_tokens_file(args.text("--tokens"));
    const std::string text = read_text(args);
    const bool shows = args.has("--picture");
    if (!args.has("--chat")) return encode(*tokenizer, (shows ? std::string(picture_text(*tokenizer).alone) : "") + text);
    std::vector<Message> messages;
    if (args.has("--system")) messages.push_back({Message::Role::system, args.text("--system")});
    messages.push_back({Message::Role::user, text, shows});
    const Chat::Thinking thinking = args.has("--no-thinking") ? Chat::Thinking::off : Chat::Thinking::allowed;
    const std::vector<std::uint32_t> ids = Chat(*tokenizer).encode(messages, thinking);
    return Tokens(ids.begin(), ids.end());
}

}  // namespace

std::vector<Flag> generate_flags() {
    const std::vector<Flag> own{
        {"--prompt", "TEXT", "the text to continue"},
        {"--prompt-file", "FILE", "a file with that text"},
        {"--chat", "", "the prompt is what a user says: put it into the model's chat template"},
        {"--system", "TEXT", "with --chat: the system message"},
        {"--no-thinking", "", "with --chat: a model that can think before it answers does not"},
        {"--tokens", "FILE", "its tokens, a .npy file, one row of int32 or int64"},
    };
    return with_language_flags(join_flags({own, picture_flags(), answer_flags()}));
}

int generate(const Args& args) {
    Plan plan = read_plan(args);
    const std::unique_ptr<const Tokenizer> tokenizer = open_tokenizer(plan.answer);
    const Tokens prompt = read_prompt(args, tokenizer.get());
    const std::unique_ptr<ShownPicture> picture = open_picture(plan.picture, tokenizer.get(), prompt);
    LanguageModel language(plan.language);
    json::Object input = describe(language.session, plan.language);
    if (plan.picture) input.raw("picture", describe(*plan.picture).str());
    write_header(args, language.model, input.text("source", "prompt").integer("prompt_tokens", static_cast<long long>(prompt.size())));
    Answers answers(language.session, plan.language, plan.answer, tokenizer.get(), picture.get());
    answers.give(prompt, "summary");
    return 0;
}

}  // namespace nnrun
