#include "verbs/generation.h"

#include <algorithm>
#include <cstdio>

#include "core/failure.h"
#include "core/file.h"
#include "core/json_value.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/signals.h"
#include "core/text.h"
#include "verbs/pictures.h"

namespace nnrun {
namespace {

constexpr int rounds = 3;
constexpr double patience_s = 10;  // for the step or chunk at work when a signal comes

SamplerPlan read_sampler(const Args& args) {
    SamplerPlan plan;
    plan.temperature = args.number("--temperature", 0, 100, 0);
    plan.top_k = args.integer("--top-k", 0, 1 << 20, 0);
    plan.top_p = args.number("--top-p", 1e-6, 1, 1);
    plan.min_p = args.number("--min-p", 0, 1, 0);
    plan.repetition_penalty = args.number("--repetition-penalty", 0.01, 100, 1);
    plan.seed = args.seed("--seed", 1);
    return plan;
}

Tokens read_ends(const Args& args) {
    Tokens ends;
    for (const std::string& word : args.texts("--end-token")) {
        const auto id = parse_integer(word);
        if (!id || *id < 0 || *id > 1 << 24) args.reject("--end-token takes the number of a token, not '" + word + "'");
        ends.push_back(static_cast<int>(*id));
    }
    return ends;
}

std::shared_ptr<const Schema> read_schema(const Args& args) {
    if (!args.has("--schema")) return nullptr;
    if (!args.has("--tokenizer")) args.reject("--schema needs --tokenizer");
    const std::string path = args.text("--schema");
    const std::vector<unsigned char> bytes = read_file(path, Exit::input);
    return std::make_shared<Schema>(json::parse({bytes.begin(), bytes.end()}, path), path);
}

std::string numbers(const std::vector<double>& values) {
    std::vector<std::string> items;
    for (const double value : values) items.push_back(json::number(value));
    return json::array(items);
}

}  // namespace

std::vector<Flag> answer_flags() {
    return {
        {"--tokenizer", "FILE", "the flat file of the model's tokenizer; without it there are only tokens"},
        {"--max-tokens", "N", "of an answer; default 256"},
        {"--temperature", "T", "0: always the most likely token; default 0"},
        {"--top-k", "K", "choose among the K most likely; 0: all; default 0"},
        {"--top-p", "P", "choose among the most likely that together have probability P; default 1"},
        {"--min-p", "P", "choose among those at least P times as likely as the most likely; default 0"},
        {"--repetition-penalty", "R", "makes tokens that came before less likely; default 1, none"},
        {"--seed", "N", "of the choices; the same seed makes the same choices; default 1"},
        {"--end-token", "ID", "a token that ends the answer, beside those of the tokenizer", false, true},
        {"--stop", "TEXT", "ends the answer before this text", false, true},
        {"--schema", "FILE", "a JSON schema that the answer keeps to"},
        {"--lookup", "N", "verify up to N tokens at once that followed the same ones before; the text is the same; default 0"},
        {"--prefix-cache", "DIR", "keep what is remembered of prompts in this folder, for later runs"},
        {"--prefix-cache-limit", "MB", "of that folder; the least recently used go; default 512"},
    };
}

AnswerPlan read_answer(const Args& args) {
    AnswerPlan plan;
    plan.generation.sampler = read_sampler(args);
    plan.generation.max_tokens = args.integer("--max-tokens", 1, 1 << 20, 256);
    plan.generation.lookup.most = static_cast<std::size_t>(args.integer("--lookup", 0, 64, 0));
    plan.generation.ends = read_ends(args);
    plan.tokenizer = args.text("--tokenizer");
    plan.stops = args.texts("--stop");
    if (!plan.stops.empty() && plan.tokenizer.empty()) args.reject("--stop needs --tokenizer");
    plan.schema = read_schema(args);
    plan.prefix_folder = args.text("--prefix-cache");
    if (args.has("--prefix-cache-limit") && plan.prefix_folder.empty()) args.reject("--prefix-cache-limit needs --prefix-cache");
    plan.prefix_limit = static_cast<std::uint64_t>(args.integer("--prefix-cache-limit", 1, 1 << 20, 512)) << 20;
    if (!plan.prefix_folder.empty()) check_folder(plan.prefix_folder);
    return plan;
}

std::unique_ptr<const Tokenizer> open_tokenizer(AnswerPlan& plan) {
    if (plan.tokenizer.empty()) return nullptr;
    auto tokenizer = std::make_unique<const Tokenizer>(plan.tokenizer);
    for (const std::uint32_t id : tokenizer->stops()) plan.generation.ends.push_back(static_cast<int>(id));
    return tokenizer;
}

Tokens encode(const Tokenizer& tokenizer, const std::string& text) {
    if (text.empty()) throw Failure(Exit::input, "the prompt is empty: there is no text to continue");
    const std::vector<std::uint32_t> ids = tokenizer.encode(text, Tokenizer::Ends::special);
    return Tokens(ids.begin(), ids.end());
}

Answers::Answers(Session& session, const LanguagePlan& language, const AnswerPlan& plan, const Tokenizer* tokenizer, ShownPicture* picture)
    : session_(session),
      plan_(plan),
      tokenizer_(tokenizer),
      picture_(picture),
      prefill_(language.prefill_threads, 1),
      decode_(language.decode_threads, rounds),
      generation_(session, plan.generation, prefill_, decode_, stopping_) {
    if (picture != nullptr) session.show(picture->rows());
    if (plan.schema) pieces_ = pieces_of(*tokenizer, session.vocabulary());
    if (!plan.prefix_folder.empty()) store_.emplace(plan.prefix_folder, plan.prefix_limit, session);
}

Ending Answers::give(const Tokens& words, const std::string& line) {
    const Tokens prompt = picture_ != nullptr ? picture_->place(words) : words;
    generation_.check_size(prompt);
    const SignalCallback on_signal([this] {
        stopping_.ask(patience_s);
        finish_lines();
    });
    const Stopping::Work work(stopping_);
    given_ = 0;
    spoken_.emplace(tokenizer_, plan_.stops);
    const Ending ending = read_and_answer(prompt);
    write_rest();
    write_summary(line, prompt.size(), ending);
    return ending;
}

Ending Answers::read_and_answer(const Tokens& prompt) {
    restore(prompt);
    look(prompt);
    const Ending ending = generation_.read(prompt, [&](int done, int all) {
        write_line(json::Object().text("type", "prefill").integer("tokens", done).integer("of", all).str());
    });
    if (ending != Ending::none) return ending;
    keep(prompt);
    std::optional<Constraint> constraint;
    if (plan_.schema) constraint.emplace(*plan_.schema, pieces_, plan_.generation.ends);
    return generation_.answer(constraint ? &*constraint : nullptr, [&](int token, double ms) { return write_token(token, ms); });
}

void Answers::restore(const Tokens& prompt) {
    restored_ = 0;
    if (!store_ || session_.rows() > 0) return;
    Tokens tokens = store_->restore(session_, prompt);
    restored_ = static_cast<int>(tokens.size());
    generation_.restore(std::move(tokens));
}

void Answers::look(const Tokens& prompt) {
    picture_ms_ = 0;
    if (picture_ == nullptr || picture_->rows().is_filled()) return;
    const auto unread = prompt.begin() + static_cast<std::ptrdiff_t>(generation_.reusable(prompt));
    if (std::none_of(unread, prompt.end(), [&](int token) { return picture_->rows().has(token); })) return;
    const PictureTimes& times = picture_->encode(session_.width());
    picture_ms_ = times.all();
    write_picture_line(*picture_, times);
}

// What could not be kept is no reason to give no answer.
void Answers::keep(const Tokens& prompt) {
    const auto fresh = prompt.size() - static_cast<std::size_t>(generation_.times().reused);
    if (!store_ || fresh < PrefixStore::least) return;
    const std::string problem = store_->save(session_, prompt);
    if (!problem.empty()) std::fprintf(stderr, "nnrun: %s\n", printable(problem).c_str());
}

bool Answers::write_token(int token, double ms) {
    json::Object line;
    line.text("type", "token").integer("index", given_++).integer("id", token);
    if (tokenizer_ != nullptr) line.text("text", spoken_->add(token));
    write_line(line.number("ms", ms).str());
    return !spoken_->has_stopped();
}

// What was held back because more might have followed.
void Answers::write_rest() {
    const std::string text = spoken_->finish();
    if (!text.empty()) write_line(json::Object().text("type", "rest").text("text", text).str());
}

void Answers::write_summary(const std::string& type, std::size_t prompt_tokens, Ending ending) {
    const GenerationTimes& times = generation_.times();
    json::Object line, threads;
    line.text("type", type).text("ending", name_of(ending));
    if (tokenizer_ != nullptr) line.text("text", spoken_->text());
    line.integer("prompt_tokens", static_cast<long long>(prompt_tokens)).integer("tokens", given_);
    line.integer("reused", times.reused).integer("restored", restored_);
    line.raw("prefill_ms", numbers(times.prefill_ms)).raw("prefill_tokens", json::integers(times.prefill_tokens));
    line.raw("step_ms", numbers(times.step_ms)).raw("step_tokens", json::integers(times.step_tokens));
    line.raw("first_token_ms", given_ > 0 ? json::number(picture_ms_ + times.first_token_ms) : "null");
    if (picture_ != nullptr) line.number("picture_ms", picture_ms_);
    line.integer("drafted", times.drafted).integer("accepted", times.accepted);
    threads.integer("prefill", prefill_.best()).integer("decode", decode_.best());
    threads.boolean("settled", prefill_.is_settled() && decode_.is_settled());
    line.raw("threads", threads.str());
    line.integer("weight_bytes", static_cast<long long>(session_.weight_bytes()));
    line.integer("cache_bytes", static_cast<long long>(session_.cache_bytes())).integer("peak_rss_kb", peak_rss_kb());
    write_line(line.str());
}

}  // namespace nnrun
