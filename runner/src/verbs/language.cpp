#include "verbs/language.h"

#include <cpu.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/npy.h"
#include "core/rehearsal.h"

namespace nnrun {
namespace {

constexpr int max_context = 1 << 20;

const std::vector<std::string>& cache_names() {
    static const std::vector<std::string> names{"fp32", "fp16", "int8"};
    return names;
}

CacheFormat read_cache(const Args& args) {
    const std::string name = args.choice("--cache", cache_names(), "fp16");
    return name == "fp32" ? CacheFormat::fp32 : name == "fp16" ? CacheFormat::fp16 : CacheFormat::int8;
}

Request read_net(const Args& args) {
    Request request;
    request.param = args.text("--param");
    request.bin = args.text("--bin");
    request.powersave = args.integer("--powersave", 0, 2, 0);
    // Of ncnn's own layers, if there are any: nnrun's have the precision of their weights.
    request.precision = "fp32";
    request.threads = std::max(1, ncnn::get_cpu_count());
    return request;
}

std::vector<int> read_threads(const Args& args, const std::string& flag, const std::vector<int>& measured) {
    return args.has(flag) ? std::vector<int>{args.integer(flag, 1, std::max(1, ncnn::get_cpu_count()), 1)} : measured;
}

int big_cores() { return std::clamp(ncnn::get_physical_big_cpu_count(), 1, std::max(1, ncnn::get_cpu_count())); }

// Decoding waits for memory, which a core or two may saturate already.
std::vector<int> decode_candidates() {
    std::vector<int> counts;
    for (int count = big_cores(); count >= 1; --count) counts.push_back(count);
    return counts;
}

std::vector<int> prefill_candidates() {
    const int all = big_cores();
    return all > 1 ? std::vector<int>{all, all - 1} : std::vector<int>{all};
}

// The net and one token: what is wrong with them ends a child process, not this one.
void rehearse_session(const Request& request, const SessionPlan& plan) {
    rehearse(request.param, [&] {
        Model model(request);
        SessionPlan small = plan;
        small.context = 1;
        Session session(model, small);
        const int token = 0;
        session.read(&token, 1, 1, 1);
        return std::string();
    });
}

Request rehearsed(const LanguagePlan& plan, int threads) {
    Request request = plan.request;
    if (threads > 0) request.threads = threads;
    rehearse_session(request, plan.session);
    return request;
}

template <typename Number>
Tokens tokens_of(const NpyFile& file) {
    file.check_size(sizeof(Number));
    Tokens tokens;
    for (std::size_t i = 0; i < file.count(); ++i) {
        Number value = 0;
        std::memcpy(&value, file.elements() + i * sizeof value, sizeof value);
        if (value < 0 || value > std::numeric_limits<int>::max()) file.reject("element " + std::to_string(i) + " is not a token id");
        tokens.push_back(static_cast<int>(value));
    }
    return tokens;
}

}  // namespace

std::vector<Flag> with_language_flags(const std::vector<Flag>& own) {
    const std::vector<Flag> flags{
        {"--param", "FILE", "the language model, a text .param", true},
        {"--bin", "FILE", "its weights", true},
        {"--context", "N", "tokens it can keep, prompt and answer together; default 2048"},
        {"--cache", "FORMAT", "of keys and values: fp32, fp16 or int8; default fp16"},
        {"--chunk", "N", "tokens of a prompt that are read at once; default 128"},
        {"--prefill-threads", "N", "for reading a prompt; default: measured"},
        {"--decode-threads", "N", "for each token of an answer; default: measured"},
        {"--powersave", "0|1|2", "0 all cores, 1 little ones, 2 big ones; default 0"},
    };
    return join_flags({flags, own});
}

LanguagePlan read_language(const Args& args) {
    LanguagePlan plan;
    plan.request = read_net(args);
    plan.session.context = args.integer("--context", 2, max_context, 2048);
    plan.session.cache = read_cache(args);
    plan.session.chunk = args.integer("--chunk", 1, 4096, 128);
    plan.prefill_threads = read_threads(args, "--prefill-threads", prefill_candidates());
    plan.decode_threads = read_threads(args, "--decode-threads", decode_candidates());
    plan.request = language_request(plan.request);
    return plan;
}

LanguageModel::LanguageModel(const LanguagePlan& plan, int threads) : model(rehearsed(plan, threads)), session(model, plan.session) {}

json::Object describe(const Session& session, const LanguagePlan& plan) {
    json::Object object;
    object.integer("vocabulary", static_cast<long long>(session.vocabulary())).integer("layers", session.layers());
    object.integer("context", session.context()).integer("chunk", session.chunk());
    object.text("cache", cache_names()[static_cast<std::size_t>(plan.session.cache)]);
    object.integer("cache_bytes", static_cast<long long>(session.reserved_bytes()));
    return object.integer("weight_bytes", static_cast<long long>(session.weight_bytes()));
}

Tokens read_tokens_file(const std::string& path) {
    const NpyFile file = read_npy_file(path);
    if (file.shape.size() != 1) file.reject("must hold one row of tokens");
    if (file.type == "<i4") return tokens_of<std::int32_t>(file);
    if (file.type == "<i8") return tokens_of<std::int64_t>(file);
    file.reject("its elements are not int32 or int64 ('<i4', '<i8')");
}

}  // namespace nnrun
