#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/args.h"
#include "language/generation.h"
#include "language/prefix_store.h"
#include "language/schema.h"
#include "verbs/language.h"

namespace nnrun {

// How answers are made, whatever the prompts come from.
struct AnswerPlan {
    GenerationPlan generation;
    std::string prefix_folder;  // "": nothing is kept across runs
    std::uint64_t prefix_limit = 0;
};

std::vector<Flag> answer_flags();
AnswerPlan read_answer(const Args& args);

// Answers prompts one after the other and writes all that happens: a line for each chunk of a prompt, for
// each token, and a summary of each answer. A signal ends an answer with its summary.
class Answers {
public:
    Answers(Session& session, const LanguagePlan& language, const AnswerPlan& plan);

    // The prompt is all that the model has before it, earlier answers included.
    Ending give(const Tokens& prompt);

private:
    void restore(const Tokens& prompt);
    void keep(const Tokens& prompt);
    void write_token(int token, double ms);
    void write_summary(std::size_t prompt_tokens, Ending ending);

    Session& session_;
    const AnswerPlan& plan_;
    ThreadCount prefill_;
    ThreadCount decode_;
    Stopping stopping_;
    Generation generation_;
    std::optional<PrefixStore> store_;
    int restored_ = 0;
    int given_ = 0;
};

}  // namespace nnrun
