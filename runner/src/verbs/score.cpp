#include "verbs/verbs.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/npy.h"
#include "core/signals.h"
#include "verbs/common.h"
#include "verbs/language.h"
#include "verbs/pictures.h"

namespace nnrun {
namespace {

struct ScorePlan {
    LanguagePlan language;
    std::optional<PicturePlan> picture;
    Tokens tokens;
    int steps = 0;           // tokens that are read at once
    std::size_t window = 0;  // tokens that know of each other
    std::string logits;      // a file; "": not kept
    bool quiet = false;
};

ScorePlan read_plan(const Args& args) {
    ScorePlan plan;
    plan.language = read_language(args);
    plan.picture = read_picture(args, plan.language);
    plan.steps = args.integer("--steps", 1, 4096, 32);
    plan.tokens = read_tokens_file(args.text("--tokens"));
    plan.logits = args.text("--save-logits");
    plan.quiet = args.has("--quiet");
    const int context = plan.language.session.context;
    plan.window = static_cast<std::size_t>(args.integer("--window", 2, context, context));
    if (!args.has("--window") && plan.tokens.size() > plan.window)
        throw Failure(Exit::input, args.text("--tokens") + ": " + std::to_string(plan.tokens.size()) + " tokens and a context of " +
                                       std::to_string(context) + "; use a larger --context, or --window for parts");
    return plan;
}

// Rows of logits, a .npy file.
class LogitsFile {
public:
    LogitsFile(const std::string& path, std::size_t rows, std::size_t columns) : path_(path) {
        if (path.empty()) return;
        file_.reset(std::fopen(path.c_str(), "wb"));
        const std::string header = npy_header("<f4", {rows, columns});
        check(file_ != nullptr && std::fwrite(header.data(), header.size(), 1, file_.get()) == 1);
    }

    void write(const float* values, std::size_t count) {
        if (file_ != nullptr) check(std::fwrite(values, sizeof(float), count, file_.get()) == count);
    }

    void close() {
        if (file_ != nullptr) check(std::fclose(file_.release()) == 0);
    }

private:
    struct Closer {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    void check(bool done) const {
        if (!done) throw Failure(Exit::output, path_ + ": cannot be written; check the folder and the free space");
    }

    std::string path_;
    std::unique_ptr<std::FILE, Closer> file_;
};

class Scores {
public:
    Scores(Session& session, const ScorePlan& plan)
        : session_(session), plan_(plan), logits_(plan.logits, plan.tokens.size(), session.vocabulary()) {}

    void compute() {
        for (std::size_t from = 0; from < plan_.tokens.size(); from += plan_.window) {
            session_.truncate(0);
            score_window(from, std::min(from + plan_.window, plan_.tokens.size()));
        }
        logits_.close();
    }

    void write_summary() const {
        json::Object line;
        const double mean = count_ > 0 ? -sum_ / static_cast<double>(count_) : std::nan("");
        line.text("type", "summary").integer("tokens", static_cast<long long>(plan_.tokens.size())).integer("scored", count_);
        line.number("mean_negative_log_probability", mean).number("perplexity", std::exp(mean)).integer("top1", matches_);
        line.number("ms", ms_).integer("peak_rss_kb", peak_rss_kb());
        write_line(line.str());
    }

private:
    void score_window(std::size_t from, std::size_t to) {
        const int threads = plan_.language.prefill_threads.front();
        for (std::size_t at = from; at < to;) {
            const auto count = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(plan_.steps), to - at));
            const Stopwatch watch;
            const float* rows = session_.read(plan_.tokens.data() + at, count, count, threads);
            ms_ += watch.ms();
            logits_.write(rows, static_cast<std::size_t>(count) * session_.vocabulary());
            for (int i = 0; i < count; ++i, ++at, rows += session_.vocabulary())
                if (at + 1 < to) score(at + 1, rows);
        }
    }

    void score(std::size_t index, const float* logits) {
        const auto vocabulary = session_.vocabulary();
        const auto token = static_cast<std::size_t>(plan_.tokens[index]);
        const auto top = static_cast<std::size_t>(std::max_element(logits, logits + vocabulary) - logits);
        if (token >= vocabulary) return;  // read() refuses it next
        const double value = log_probability(logits, vocabulary, token);
        sum_ += value;
        ++count_;
        matches_ += top == token ? 1 : 0;
        if (plan_.quiet) return;
        json::Object line;
        line.text("type", "score").integer("index", static_cast<long long>(index)).integer("id", plan_.tokens[index]);
        line.number("log_probability", value).integer("top", static_cast<long long>(top));
        write_line(line.str());
    }

    Session& session_;
    const ScorePlan& plan_;
    LogitsFile logits_;
    double sum_ = 0;
    double ms_ = 0;
    long long count_ = 0;
    long long matches_ = 0;
};

}  // namespace

std::vector<Flag> score_flags() {
    const std::vector<Flag> own{
        {"--tokens", "FILE", "a .npy file, one row of int32 or int64", true},
        {"--steps", "N", "tokens that are read at once; 1: each after the other, as an answer is; default 32"},
        {"--window", "N", "score parts of N tokens that know nothing of each other; default: all in one, if they fit"},
        {"--save-logits", "FILE", "write the logits after each token, a .npy file of fp32"},
        {"--quiet", "", "no line for each token, the summary only"},
    };
    return with_language_flags(join_flags({own, picture_flags()}));
}

int score(const Args& args) {
    ScorePlan plan = read_plan(args);
    const std::unique_ptr<ShownPicture> picture = open_picture(plan.picture, nullptr, plan.tokens);
    if (picture) plan.tokens = picture->place(plan.tokens);
    LanguageModel language(plan.language);
    json::Object input = describe(language.session, plan.language);
    input.text("source", args.text("--tokens")).integer("steps", plan.steps).integer("window", static_cast<long long>(plan.window));
    if (plan.picture) input.raw("picture", describe(*plan.picture).str());
    write_header(args, language.model, input);
    if (picture) {
        language.session.show(picture->rows());
        write_picture_line(*picture, picture->encode(language.session.width()));
    }
    const SignalCallback on_signal(finish_lines);
    Scores scores(language.session, plan);
    scores.compute();
    scores.write_summary();
    return 0;
}

}  // namespace nnrun
