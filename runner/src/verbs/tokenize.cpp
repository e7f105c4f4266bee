#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/json_value.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/text.h"
#include "text/chat.h"
#include "text/text_stream.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "verbs/common.h"
#include "verbs/verbs.h"

namespace nnrun {
namespace {

struct Plan {
    std::string tokenizer;
    std::vector<std::string> texts;
    bool decodes = false;
    bool chats = false;
    Chat::Thinking thinking = Chat::Thinking::allowed;
    Tokenizer::Ends ends = Tokenizer::Ends::none;
    Tokenizer::Special special = Tokenizer::Special::shown;
};

std::string read_stdin() {
    std::string text;
    char block[1 << 16];
    while (const std::size_t count = std::fread(block, 1, sizeof block, stdin)) {
        text.append(block, count);
        if (text.size() > max_file_bytes) throw Failure(Exit::input, "stdin: more than " + std::to_string(max_file_bytes >> 20) + " MB");
    }
    if (std::ferror(stdin)) throw Failure(Exit::input, std::string("stdin: ") + std::strerror(errno));
    return text;
}

std::string read_input(const Args& args) {
    if (!args.has("--file")) return read_stdin();
    const std::vector<unsigned char> bytes = read_file(args.text("--file"), Exit::input);
    return {bytes.begin(), bytes.end()};
}

std::vector<std::string> read_texts(const Args& args) {
    if (args.has("--text")) {
        if (args.has("--file") || args.has("--each")) args.reject("--text cannot be combined with --file or --each");
        return args.texts("--text");
    }
    const std::string each = args.choice("--each", {"file", "line", "nul"}, "file");
    const std::string input = read_input(args);
    if (each == "file") return {input};
    std::vector<std::string> texts = split(input, each == "line" ? '\n' : '\0');
    if (texts.back().empty()) texts.pop_back();  // the last one ends, too
    return texts;
}

Plan read_plan(const Args& args) {
    Plan plan;
    plan.tokenizer = args.text("--tokenizer");
    plan.decodes = args.has("--decode");
    if (plan.decodes && args.has("--ends")) args.reject("--ends cannot be combined with --decode");
    if (!plan.decodes && args.has("--skip-special")) args.reject("--skip-special needs --decode");
    plan.chats = args.has("--chat");
    if (plan.chats && (plan.decodes || args.has("--ends"))) args.reject("--chat cannot be combined with --decode or --ends");
    if (args.has("--no-thinking")) {
        if (!plan.chats) args.reject("--no-thinking needs --chat");
        plan.thinking = Chat::Thinking::off;
    }
    if (args.has("--ends")) plan.ends = Tokenizer::Ends::special;
    if (args.has("--skip-special")) plan.special = Tokenizer::Special::skipped;
    plan.texts = read_texts(args);
    return plan;
}

std::vector<std::uint32_t> parse_ids(const std::string& text, const Vocabulary& vocabulary) {
    std::vector<std::uint32_t> ids;
    for (const std::string& word : words(text)) {
        const auto id = parse_integer(word);
        if (!id || *id < 0 || static_cast<std::size_t>(*id) >= vocabulary.size())
            throw Failure(Exit::input, "'" + word + "' is not a token id; ids go from 0 to " + std::to_string(vocabulary.size() - 1));
        ids.push_back(static_cast<std::uint32_t>(*id));
    }
    return ids;
}

Message::Role role_of(const std::string& name) {
    if (name == "system") return Message::Role::system;
    if (name == "user") return Message::Role::user;
    if (name == "assistant") return Message::Role::assistant;
    throw Failure(Exit::input, "'" + name + "' is not a role; use system, user or assistant");
}

// As everybody writes them: [{"role": "user", "content": "Hello"}].
std::vector<Message> parse_messages(const std::string& text) {
    const json::Value list = json::parse(text, "the messages");
    std::vector<Message> messages;
    if (list.kind != json::Value::Kind::array)
        throw Failure(Exit::input, "messages must be a list, such as [{\"role\": \"user\", \"content\": \"Hello\"}]");
    for (const json::Value& item : list.items) {
        const json::Value* const role = item.find("role");
        const json::Value* const content = item.find("content");
        const auto is_text = [](const json::Value* value) { return value != nullptr && value->kind == json::Value::Kind::string; };
        if (!is_text(role) || !is_text(content)) throw Failure(Exit::input, "each message needs a role and a content, both strings");
        messages.push_back({role_of(role->text), content->text});
    }
    return messages;
}

std::string ids_json(const std::vector<std::uint32_t>& ids) {
    std::string json = "[";
    for (const std::uint32_t id : ids) json += (json.size() > 1 ? "," : "") + std::to_string(id);
    return json + "]";
}

// What each id adds to the text when they come one after the other, and what was kept until the end.
std::vector<std::string> stream_pieces(const Tokenizer& tokenizer, const std::vector<std::uint32_t>& ids, Tokenizer::Special special) {
    TextStream stream(tokenizer, special);
    std::vector<std::string> pieces;
    for (const std::uint32_t id : ids) pieces.push_back(stream.add(id));
    pieces.push_back(stream.finish());
    return pieces;
}

// Returns how many ids there were.
std::size_t write_text(const Tokenizer& tokenizer, const Plan& plan, std::size_t index) {
    json::Object line;
    const std::string& text = plan.texts[index];
    const auto number = static_cast<long long>(index);
    if (plan.decodes) {
        const std::vector<std::uint32_t> ids = parse_ids(text, tokenizer.vocabulary());
        line.text("type", "text").integer("index", number).text("text", tokenizer.decode(ids, plan.special));
        write_line(line.raw("pieces", json::strings(stream_pieces(tokenizer, ids, plan.special))).str());
        return ids.size();
    }
    Stopwatch watch;
    const std::vector<std::uint32_t> ids =
        plan.chats ? Chat(tokenizer).encode(parse_messages(text), plan.thinking) : tokenizer.encode(text, plan.ends);
    const double ms = watch.lap();
    line.text("type", "ids").integer("index", number).integer("bytes", static_cast<long long>(text.size()));
    write_line(line.raw("ids", ids_json(ids)).number("ms", ms).str());
    return ids.size();
}

}  // namespace

std::vector<Flag> tokenize_flags() {
    return {
        {"--tokenizer", "FILE", "the flat file of a converted model's tokenizer", true},
        {"--text", "TEXT", "a text; it may be repeated. Without it, --file or stdin is read", false, true},
        {"--file", "FILE", "read the text from this file"},
        {"--each", "PART", "file, line or nul: what of --file or stdin is a text; default file"},
        {"--ends", "", "add the ids that begin and end a text"},
        {"--chat", "", "the texts are lists of messages in JSON, each with a role and a content"},
        {"--no-thinking", "", "with --chat: where the model thinks before it answers, let it answer at once"},
        {"--decode", "", "the texts are ids, separated by blanks: decode them"},
        {"--skip-special", "", "with --decode: leave special tokens out"},
    };
}

int tokenize(const Args& args) {
    const Plan plan = read_plan(args);
    Stopwatch watch;
    const Tokenizer tokenizer(plan.tokenizer);
    const double load_ms = watch.lap();
    json::Object input;
    input.text("source", "texts").integer("count", static_cast<long long>(plan.texts.size()));
    input.integer("vocabulary", static_cast<long long>(tokenizer.vocabulary().size())).number("load_ms", load_ms);
    input.raw("stops", ids_json(tokenizer.stops()));
    write_header(args, input);
    std::size_t count = 0;
    for (std::size_t i = 0; i < plan.texts.size(); ++i) count += write_text(tokenizer, plan, i);
    json::Object summary;
    summary.text("type", "summary")
        .integer("texts", static_cast<long long>(plan.texts.size()))
        .integer("ids", static_cast<long long>(count));
    write_line(summary.integer("peak_rss_kb", peak_rss_kb()).str());
    return 0;
}

}  // namespace nnrun
