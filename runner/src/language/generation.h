#pragma once

#include <functional>
#include <vector>

#include "core/clock.h"
#include "language/constraint.h"
#include "language/lookup.h"
#include "language/sampler.h"
#include "language/session.h"
#include "language/stopping.h"
#include "language/threads.h"

namespace nnrun {

// Why a generation ended.
enum class Ending { none, end_token, stop_string, max_tokens, context, schema, nothing_allowed, interrupted };
const char* name_of(Ending ending);

struct GenerationPlan {
    SamplerPlan sampler;
    LookupPlan lookup;
    int max_tokens = 256;
    Tokens ends;  // tokens that end the text, and are not part of it
};

// What a generation took. Of every step and of every chunk of the prompt the time, nothing summed up.
struct GenerationTimes {
    std::vector<double> prefill_ms;   // a chunk each
    std::vector<int> prefill_tokens;  // of each chunk
    std::vector<double> step_ms;      // a step each: one run of the net
    std::vector<int> step_tokens;     // that the step gave
    int drafted = 0;                  // by prompt lookup
    int accepted = 0;                 // of them
    int reused = 0;                   // tokens of the prompt that were in the cache
    double first_token_ms = 0;        // from the start of the prompt
};

// Lets a model continue a text. Its context is kept for the next text.
class Generation {
public:
    // A token of the answer: false ends it (a stop string).
    using OnToken = std::function<bool(int token, double ms)>;
    using OnProgress = std::function<void(int done, int all)>;

    // `prefill` and `decode` say with how many threads.
    Generation(Session& session, const GenerationPlan& plan, ThreadCount& prefill, ThreadCount& decode, const Stopping& stopping);

    // The tokens whose keys and values are in the session's cache already.
    const Tokens& context() const { return context_; }
    // They were put there by somebody else.
    void restore(Tokens tokens) { context_ = std::move(tokens); }

    // How many tokens of a prompt need not be read, as the context begins with them.
    std::size_t reusable(const Tokens& prompt) const;
    // One that is empty, or leaves no room for an answer, is a Failure with Exit::input.
    void check_size(const Tokens& prompt) const;
    // Reads a prompt, which is the whole context: what it shares with the present one is not read again.
    // Ending::interrupted or none.
    Ending read(const Tokens& prompt, const OnProgress& on_progress);
    // Then continues it; a constraint, which may be null, keeps the answer to a schema.
    Ending answer(Constraint* constraint, const OnToken& on_token);

    const GenerationTimes& times() const { return times_; }

private:
    void reuse(const Tokens& prompt);
    void read_chunk(const Tokens& prompt);
    void append(const Tokens& prompt, std::size_t count);
    Ending verify(const float* rows, const Tokens& draft, Constraint* constraint, const OnToken& on_token);
    Ending accept(int token, Constraint* constraint, const OnToken& on_token);
    Tokens next_draft() const;
    const float* step(const Tokens& tokens);

    Session& session_;
    GenerationPlan plan_;
    ThreadCount& prefill_;
    ThreadCount& decode_;
    const Stopping& stopping_;
    Sampler sampler_;
    Tokens context_;           // what the caches hold, and at its end the tokens that are still to be read
    std::vector<float> last_;  // logits after the prompt
    GenerationTimes times_;
    Stopwatch since_prompt_;
    Stopwatch since_token_;
    int given_ = 0;
};

}  // namespace nnrun
