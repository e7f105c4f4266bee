#include "verbs/verbs.h"

#include <cstdio>
#include <optional>

#include "core/failure.h"
#include "core/file.h"
#include "core/json_value.h"
#include "core/lines.h"
#include "core/signals.h"
#include "core/text.h"
#include "language/prefix_store.h"
#include "verbs/common.h"
#include "verbs/generation.h"

namespace nnrun {
namespace {

struct Plan {
    LanguagePlan language;
    AnswerPlan answer;
    Tokens prompt;
};

Plan read_plan(const Args& args) {
    Plan plan;
    plan.language = read_language(args);
    plan.answer = read_answer(args);
    plan.prompt = read_tokens_file(args.text("--tokens"));
    return plan;
}

}  // namespace

std::vector<Flag> generate_flags() {
    std::vector<Flag> flags{{"--tokens", "FILE", "the prompt, a .npy file, one row of int32 or int64", true}};
    for (const Flag& flag : answer_flags()) flags.push_back(flag);
    return with_language_flags(flags);
}

int generate(const Args& args) {
    const Plan plan = read_plan(args);
    LanguageModel language(plan.language);
    json::Object input = describe(language.session, plan.language);
    write_header(args, language.model, input.text("source", args.text("--tokens")));
    Answers answers(language.session, plan.language, plan.answer);
    answers.give(plan.prompt);
    return 0;
}

}  // namespace nnrun
