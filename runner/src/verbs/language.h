#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/args.h"
#include "core/json.h"
#include "language/session.h"
#include "language/threads.h"
#include "net/model.h"

namespace nnrun {

// What every verb of language models needs: the net, its context and its threads.
struct LanguagePlan {
    Request request;
    SessionPlan session;
    std::vector<int> prefill_threads;  // more than one: to be measured
    std::vector<int> decode_threads;
};

std::vector<Flag> with_language_flags(const std::vector<Flag>& own);
LanguagePlan read_language(const Args& args);

// A net and a session with it, after both were tried in a child process.
struct LanguageModel {
    // The header names this number of threads; 0 leaves all cores.
    explicit LanguageModel(const LanguagePlan& plan, int threads = 0);

    Model model;
    Session session;
};

// For the header: what the session is.
json::Object describe(const Session& session, const LanguagePlan& plan);

// Whole numbers of a .npy file of one axis, int32 or int64; anything else is a Failure with Exit::input.
Tokens read_tokens_file(const std::string& path);

}  // namespace nnrun
