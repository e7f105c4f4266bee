#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/args.h"
#include "language/generation.h"
#include "language/prefix_store.h"
#include "language/schema.h"
#include "language/shown_picture.h"
#include "language/spoken.h"
#include "verbs/language.h"

namespace nnrun {

// How answers are made, whatever the prompts come from.
struct AnswerPlan {
    GenerationPlan generation;
    std::vector<std::string> stops;
    std::string tokenizer;                 // a file; "": prompts and answers are tokens only
    std::shared_ptr<const Schema> schema;  // of each answer
    std::string prefix_folder;             // "": nothing is kept across runs
    std::uint64_t prefix_limit = 0;
};

std::vector<Flag> answer_flags();
AnswerPlan read_answer(const Args& args);

// Null where the plan has none. The tokens that it says end a text end answers too.
std::unique_ptr<const Tokenizer> open_tokenizer(AnswerPlan& plan);
// As the model was trained: with the tokens that begin a text.
Tokens encode(const Tokenizer& tokenizer, const std::string& text);

// Answers prompts one after the other and writes all that happens: a line for each chunk of a prompt, for
// each token, and a summary of each answer. A signal ends an answer with its summary.
class Answers {
public:
    // The picture, which may be null, must outlive it; its token in prompts becomes its own ids.
    Answers(Session& session, const LanguagePlan& language, const AnswerPlan& plan, const Tokenizer* tokenizer,
            ShownPicture* picture = nullptr);

    // The prompt is all that the model has before it, earlier answers included. One that is empty or too long is
    // a Failure with Exit::input, after which the next one may be given. `line` is the type of the last line.
    Ending give(const Tokens& prompt, const std::string& line);
    const std::string& text() const { return spoken_->text(); }

private:
    void restore(const Tokens& prompt);
    // Encodes the picture where its rows are to be read.
    void look(const Tokens& prompt);
    void keep(const Tokens& prompt);
    Ending read_and_answer(const Tokens& prompt);
    bool write_token(int token, double ms);
    void write_rest();
    void write_summary(const std::string& type, std::size_t prompt_tokens, Ending ending);

    Session& session_;
    const AnswerPlan& plan_;
    const Tokenizer* tokenizer_;
    ShownPicture* picture_;
    double picture_ms_ = 0;            // of this answer
    std::vector<std::string> pieces_;  // of the vocabulary, where a schema needs them
    std::optional<Spoken> spoken_;     // of the present answer
    ThreadCount prefill_;
    ThreadCount decode_;
    Stopping stopping_;
    Generation generation_;
    std::optional<PrefixStore> store_;
    int restored_ = 0;
    int given_ = 0;
};

}  // namespace nnrun
