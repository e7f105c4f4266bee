#include "language/generation.h"

#include <algorithm>

#include "core/failure.h"

namespace nnrun {
namespace {

std::size_t shared_start(const Tokens& a, const Tokens& b) {
    const auto end = a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
    return static_cast<std::size_t>(std::mismatch(a.begin(), end, b.begin()).first - a.begin());
}

std::string picture_note(const Tokens& prompt) {
    const auto rows = std::count_if(prompt.begin(), prompt.end(), [](int token) { return token >= PictureRows::first_id; });
    return rows > 0 ? "; the picture is " + std::to_string(rows) + " of them" : "";
}

}  // namespace

const char* name_of(Ending ending) {
    switch (ending) {
        case Ending::none:
            return "";
        case Ending::end_token:
            return "end";
        case Ending::stop_string:
            return "stop";
        case Ending::max_tokens:
            return "max_tokens";
        case Ending::context:
            return "context";
        case Ending::schema:
            return "schema";
        case Ending::nothing_allowed:
            return "nothing_allowed";
        case Ending::interrupted:
            return "interrupted";
    }
    return "";
}

Generation::Generation(Session& session, const GenerationPlan& plan, ThreadCount& prefill, ThreadCount& decode, const Stopping& stopping)
    : session_(session),
      plan_(plan),
      prefill_(prefill),
      decode_(decode),
      stopping_(stopping),
      sampler_(plan.sampler, session.vocabulary()) {}

Ending Generation::read(const Tokens& prompt, const OnProgress& on_progress) {
    since_prompt_ = Stopwatch();
    times_ = {};
    reuse(prompt);
    while (context_.size() < prompt.size()) {
        if (stopping_.is_asked()) return Ending::interrupted;
        read_chunk(prompt);
        on_progress(static_cast<int>(context_.size()), static_cast<int>(prompt.size()));
    }
    return Ending::none;
}

void Generation::check_size(const Tokens& prompt) const {
    if (prompt.empty()) throw Failure(Exit::input, "the prompt is empty: there is no token to continue");
    if (prompt.size() >= static_cast<std::size_t>(session_.context()))
        throw Failure(Exit::input, "the prompt is " + std::to_string(prompt.size()) + " tokens long and the context " +
                                       std::to_string(session_.context()) + picture_note(prompt) +
                                       "; nothing was cut: shorten it, or use a larger --context");
}

// The last token is always read: its logits are what the answer begins with.
std::size_t Generation::reusable(const Tokens& prompt) const {
    return std::min({shared_start(context_, prompt), prompt.size() - 1, static_cast<std::size_t>(session_.rows())});
}

void Generation::reuse(const Tokens& prompt) {
    const std::size_t reused = reusable(prompt);
    session_.truncate(static_cast<int>(reused));
    times_.reused = static_cast<int>(reused);
    context_.clear();
    sampler_.forget();
    append(prompt, reused);
}

void Generation::read_chunk(const Tokens& prompt) {
    const std::size_t left = prompt.size() - context_.size();
    const std::size_t count = std::min(left, static_cast<std::size_t>(session_.chunk()));
    const bool is_last = count == left;
    const Stopwatch watch;
    const float* row = session_.read(prompt.data() + context_.size(), static_cast<int>(count), is_last ? 1 : 0, prefill_.next());
    times_.prefill_ms.push_back(watch.ms());
    times_.prefill_tokens.push_back(static_cast<int>(count));
    // The others are of equal length.
    if (!is_last) prefill_.add(times_.prefill_ms.back());
    if (is_last) last_.assign(row, row + session_.vocabulary());
    append(prompt, count);
}

void Generation::append(const Tokens& prompt, std::size_t count) {
    for (; count > 0; --count) {
        context_.push_back(prompt[context_.size()]);
        sampler_.see(context_.back());
    }
}

Ending Generation::answer(Constraint* constraint, const OnToken& on_token) {
    given_ = 0;
    since_token_ = since_prompt_;
    Ending ending = verify(last_.data(), {}, constraint, on_token);
    while (ending == Ending::none) {
        if (stopping_.is_asked()) return Ending::interrupted;
        if (session_.rows() >= session_.context()) return Ending::context;
        const Tokens draft = next_draft();
        Tokens tokens{context_.back()};
        tokens.insert(tokens.end(), draft.begin(), draft.end());
        const int given = given_;
        const Stopwatch watch;
        const float* rows = step(tokens);
        times_.drafted += static_cast<int>(draft.size());
        ending = verify(rows, draft, constraint, on_token);
        times_.step_ms.push_back(watch.ms());
        times_.step_tokens.push_back(given_ - given);
    }
    return ending;
}

const float* Generation::step(const Tokens& tokens) {
    const auto count = static_cast<int>(tokens.size());
    const Stopwatch watch;
    const float* rows = session_.read(tokens.data(), count, count, decode_.next());
    if (count == 1) decode_.add(watch.ms());
    return rows;
}

Tokens Generation::next_draft() const {
    // The step reads the token before the draft as well, and gives one more than it accepts.
    const int room = std::min(session_.context() - session_.rows(), plan_.max_tokens - given_) - 1;
    if (room <= 0 || !decode_.is_settled()) return {};
    Tokens tokens = draft(plan_.lookup, context_, static_cast<std::size_t>(room));
    // A model never says a picture.
    const auto is_picture = [&](int token) { return token >= PictureRows::first_id; };
    tokens.erase(std::find_if(tokens.begin(), tokens.end(), is_picture), tokens.end());
    return tokens;
}

// A row of logits for the token before the draft and one for each of its tokens. As long as the draft
// says what is chosen anyway, the next row holds too; what it says beyond that is forgotten.
Ending Generation::verify(const float* rows, const Tokens& draft, Constraint* constraint, const OnToken& on_token) {
    const int before = session_.rows() - static_cast<int>(draft.size());
    for (std::size_t i = 0;; ++i) {
        const float* const logits = rows + i * session_.vocabulary();
        const int token = constraint != nullptr ? sampler_.choose(logits, constraint->mask()) : sampler_.choose(logits);
        const Ending ending = accept(token, constraint, on_token);
        const bool is_drafted = i < draft.size() && draft[i] == token;
        if (ending == Ending::none && is_drafted) {
            ++times_.accepted;
            continue;
        }
        session_.truncate(before + static_cast<int>(i));
        return ending;
    }
}

Ending Generation::accept(int token, Constraint* constraint, const OnToken& on_token) {
    if (token < 0) return Ending::nothing_allowed;
    if (std::find(plan_.ends.begin(), plan_.ends.end(), token) != plan_.ends.end()) return Ending::end_token;
    if (given_ == 0) times_.first_token_ms = since_prompt_.ms();
    sampler_.see(token);
    context_.push_back(token);
    ++given_;
    if (!on_token(token, since_token_.lap())) return Ending::stop_string;
    if (constraint != nullptr) {
        constraint->accept(token);
        if (constraint->is_finished()) return Ending::schema;
    }
    return given_ == plan_.max_tokens ? Ending::max_tokens : Ending::none;
}

}  // namespace nnrun
