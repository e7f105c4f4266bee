#include <optional>

#include "core/failure.h"
#include "core/json_value.h"
#include "core/lines.h"
#include "core/machine.h"
#include "io/lines_in.h"
#include "text/chat.h"
#include "verbs/common.h"
#include "verbs/generation.h"
#include "verbs/pictures.h"
#include "verbs/verbs.h"

namespace nnrun {
namespace {

struct Plan {
    LanguagePlan language;
    AnswerPlan answer;
    std::optional<PicturePlan> picture;
    std::string system;
    Chat::Thinking thinking = Chat::Thinking::allowed;
    std::string turns;  // a file that grows; "": stdin
    double idle_s = 0;
};

Plan read_plan(const Args& args) {
    Plan plan;
    plan.language = read_language(args);
    plan.answer = read_answer(args);
    if (plan.answer.tokenizer.empty()) args.reject("--tokenizer FILE is required");
    plan.picture = read_picture(args, plan.language);
    plan.system = args.text("--system");
    if (args.has("--no-thinking")) plan.thinking = Chat::Thinking::off;
    plan.turns = args.text("--turns");
    if (args.has("--idle") && plan.turns.empty()) args.reject("--idle needs --turns");
    plan.idle_s = args.number("--idle", 0.1, 86400, 3600);
    return plan;
}

// What a line of the input asks for.
struct Turn {
    std::string text;
    bool resets = false;
    bool ends = false;
};

Turn parse_turn(const std::string& line) {
    const json::Value value = json::parse(line, "the turn");
    const auto is_set = [&](const char* key) {
        const json::Value* found = value.find(key);
        return found != nullptr && found->kind == json::Value::Kind::boolean && found->truth;
    };
    const json::Value* text = value.find("text");
    if (is_set("end")) return {"", false, true};
    if (is_set("reset")) return {"", true, false};
    if (text == nullptr || text->kind != json::Value::Kind::string)
        throw Failure(Exit::input, "the turn: must be {\"text\": \"…\"}, {\"reset\": true} or {\"end\": true}");
    return {text->text, false, false};
}

// The turns of one conversation. What cannot be answered leaves it as it was.
class Conversation {
public:
    Conversation(Answers& answers, const Chat& format, const Plan& plan) : answers_(answers), format_(format), plan_(plan) { reset(); }

    void reset() {
        messages_.clear();
        if (!plan_.system.empty()) messages_.push_back({Message::Role::system, plan_.system});
    }

    void say(const std::string& text) {
        const bool is_first = messages_.empty() || messages_.back().role == Message::Role::system;
        messages_.push_back({Message::Role::user, text, is_first && plan_.picture});
        try {
            const std::vector<std::uint32_t> ids = format_.encode(messages_, plan_.thinking);
            answers_.give(Tokens(ids.begin(), ids.end()), "answer");
        } catch (const Failure& failure) {
            if (failure.code == Exit::input) messages_.pop_back();
            throw;
        }
        // An empty message would be no turn.
        messages_.push_back({Message::Role::assistant, answers_.text().empty() ? " " : answers_.text()});
    }

private:
    Answers& answers_;
    const Chat& format_;
    const Plan& plan_;
    std::vector<Message> messages_;
};

// Until the input ends, or says so. What is wrong with one turn is said, and the next one comes.
void converse(LinesIn& lines, Conversation& conversation) {
    long long turns = 0, failed = 0;
    while (const std::optional<std::string> line = lines.next()) {
        if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
        try {
            const Turn turn = parse_turn(*line);
            if (turn.ends) break;
            ++turns;
            turn.resets ? conversation.reset() : conversation.say(turn.text);
        } catch (const Failure& failure) {
            if (failure.code != Exit::input) throw;
            ++failed;
            write_line(json::Object().text("type", "error").text("error", failure.what()).str());
        }
    }
    json::Object summary;
    summary.text("type", "summary").integer("turns", turns).integer("failed", failed);
    write_line(summary.integer("peak_rss_kb", peak_rss_kb()).str());
}

}  // namespace

std::vector<Flag> chat_flags() {
    const std::vector<Flag> own{
        {"--system", "TEXT", "the system message"},
        {"--no-thinking", "", "a model that can think before it answers does not"},
        {"--turns", "FILE",
         "read turns from this file as it grows; default: stdin. A JSON object a line: {\"text\": …}, "
         "{\"reset\": true} or {\"end\": true}"},
        {"--idle", "SECONDS", "with --turns: end after this long without a turn; default 3600"},
    };
    return with_language_flags(join_flags({own, picture_flags(), answer_flags()}));
}

int chat(const Args& args) {
    Plan plan = read_plan(args);
    const std::unique_ptr<const Tokenizer> tokenizer = open_tokenizer(plan.answer);
    const Chat format(*tokenizer);
    const std::unique_ptr<ShownPicture> picture = open_picture(plan.picture, tokenizer.get(), {});
    LanguageModel language(plan.language);
    json::Object input = describe(language.session, plan.language);
    if (plan.picture) input.raw("picture", describe(*plan.picture).str());
    write_header(args, language.model, input.text("source", "turns"));
    Answers answers(language.session, plan.language, plan.answer, tokenizer.get(), picture.get());
    Conversation conversation(answers, format, plan);
    LinesIn lines(plan.turns, plan.idle_s);
    converse(lines, conversation);
    return 0;
}

}  // namespace nnrun
