// A language model's two speeds: how long a prompt takes to read, and each token of an answer.

#include <algorithm>
#include <mutex>

#include "bench/sampling.h"
#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/signals.h"
#include "verbs/common.h"
#include "verbs/language.h"
#include "verbs/timing.h"
#include "verbs/verbs.h"

namespace nnrun {
namespace {

struct Plan {
    LanguagePlan language;
    int threads = 1;
    int tokens = 0;  // of a prompt; of an answer before it begins again
    int past = 0;    // tokens before the answer
    unsigned long long seed = 1;
    WarmupPlan warmup;
    SamplingPlan sampling;
    std::string folder;  // of the logits; "": not kept
};

Plan read_plan(const Args& args, int tokens) {
    Plan plan;
    plan.language = read_language(args);
    plan.tokens = args.integer("--tokens", 1, 1 << 16, tokens);
    plan.past = args.has("--past") ? args.integer("--past", 0, 1 << 16, 0) : 0;
    plan.language.session.context = plan.past + plan.tokens;
    plan.threads = args.integer("--threads", 1, 1024, plan.language.prefill_threads.front());
    plan.seed = args.seed("--seed", 1);
    plan.warmup = read_warmup(args);
    plan.sampling = read_sampling(args);
    plan.folder = args.text("--save-outputs");
    if (!plan.folder.empty()) check_folder(plan.folder);
    return plan;
}

// Tokens that any program can make again from the seed: splitmix64's numbers in [0, 1) times the vocabulary.
Tokens made_up_tokens(unsigned long long seed, int count, std::size_t vocabulary) {
    Uniform uniform(seed);
    Tokens tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(static_cast<int>(uniform() * static_cast<double>(vocabulary)));
    return tokens;
}

class Speed {
public:
    Speed(Session& session, const Plan& plan)
        : session_(session),
          plan_(plan),
          tokens_(made_up_tokens(plan.seed, plan.past + plan.tokens, session.vocabulary())),
          warmups_(plan.warmup.capacity()),
          samples_(plan.sampling.capacity()) {}
    virtual ~Speed() = default;

    void measure() {
        const SignalCallback on_signal([this] {
            write_times();
            finish_lines();
        });
        Warmup warmup(plan_.warmup);
        while (warmup.continues(warmups_)) time_one(warmups_);
        Sampling sampling(plan_.sampling);
        while (sampling.continues(samples_)) time_one(samples_);
        write_times();
        write_summary(warmup, sampling);
    }

protected:
    virtual void prepare() = 0;
    virtual void run() = 0;

    // Chunk by chunk; logits of the last token alone.
    const float* read(int from, int count) {
        const float* logits = nullptr;
        while (count > 0) {
            const int chunk = std::min(count, session_.chunk());
            logits = session_.read(tokens_.data() + from, chunk, chunk == count ? 1 : 0, plan_.threads);
            from += chunk;
            count -= chunk;
        }
        return logits;
    }

    Session& session_;
    const Plan& plan_;

private:
    void time_one(Times& times) {
        prepare();
        const double at_s = uptime_s();
        const Stopwatch watch;
        run();
        times.add(watch.ms(), at_s);
    }

    // Once, by the end of the measurement or by a signal.
    void write_times() {
        std::call_once(written_, [this] {
            warmups_.write("warmup");
            samples_.write("sample");
        });
    }

    // Of the whole input, the same whichever speed is measured.
    void write_outputs() {
        if (plan_.folder.empty()) return;
        session_.truncate(0);
        const float* logits = read(0, static_cast<int>(tokens_.size()));
        const std::string path = plan_.folder + "/logits.f32";
        write_floats(path, logits, session_.vocabulary());
        json::Object line;
        line.text("type", "output").text("name", "logits").raw("shape", json::integers({static_cast<int>(session_.vocabulary())}));
        write_line(line.text("file", path).boolean("finite", true).str());
    }

    void write_summary(const Warmup& warmup, const Sampling& sampling) {
        write_outputs();
        json::Object line;
        const auto interval = samples_.interval();
        line.text("type", "summary").text("stopped", sampling.stopped()).text("warmup", warmup.ended());
        line.integer("weight_bytes", static_cast<long long>(session_.weight_bytes()));
        line.integer("cache_bytes", static_cast<long long>(session_.cache_bytes())).integer("peak_rss_kb", peak_rss_kb());
        line.raw("half_width", interval ? json::number(interval->half_width()) : "null");
        write_line(line.integer("samples", samples_.count()).str());
    }

    Tokens tokens_;
    Times warmups_;
    Times samples_;
    std::once_flag written_;
};

// Each sample is the whole prompt.
class PrefillSpeed : public Speed {
    using Speed::Speed;
    void prepare() override { session_.truncate(0); }
    void run() override { read(0, plan_.tokens); }
};

// Each sample is a token; after the last one the answer begins again.
class DecodeSpeed : public Speed {
    using Speed::Speed;

    void prepare() override {
        if (session_.rows() >= plan_.past && session_.rows() < plan_.past + plan_.tokens) return;
        const int kept = std::min(session_.rows(), plan_.past);
        session_.truncate(kept);
        read(kept, plan_.past - kept);
    }

    void run() override { read(session_.rows(), 1); }
};

std::vector<Flag> speed_flags(const std::string& tokens) {
    const std::vector<Flag> own{
        {"--tokens", "N", tokens},
        {"--threads", "N", "default: the number of big cores"},
        {"--seed", "N", "of the tokens' splitmix64 stream; default 1"},
        {"--save-outputs", "DIR", "write the logits after all tokens to DIR/logits.f32"},
    };
    return join_flags({own, timing_flags()});
}

// Without those of a session that a benchmark decides itself.
std::vector<Flag> with_session_flags(const std::vector<Flag>& own) {
    return without_flags(with_language_flags(own), {"--context", "--prefill-threads", "--decode-threads"});
}

template <typename Kind>
int measure(const Args& args, int tokens) {
    const Plan plan = read_plan(args, tokens);
    LanguageModel language(plan.language, plan.threads);
    json::Object input = describe(language.session, plan.language);
    input.text("source", "splitmix64").raw("seed", std::to_string(plan.seed));
    write_header(args, language.model, input.integer("tokens", plan.tokens).integer("past", plan.past));
    Kind(language.session, plan).measure();
    return 0;
}

}  // namespace

std::vector<Flag> bench_prefill_flags() { return with_session_flags(speed_flags("of the prompt; default 512")); }

std::vector<Flag> bench_decode_flags() {
    std::vector<Flag> flags = speed_flags("of an answer, one after the other; default 128");
    flags.insert(flags.begin() + 1, {"--past", "N", "tokens before the answer; default 0"});
    return with_session_flags(flags);
}

int bench_prefill(const Args& args) { return measure<PrefillSpeed>(args, 512); }

int bench_decode(const Args& args) { return measure<DecodeSpeed>(args, 128); }

}  // namespace nnrun
