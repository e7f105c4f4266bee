#pragma once

#include <vector>

#include "core/args.h"

namespace nnrun {

// A row of the table of verbs.
struct VerbEntry {
    const char* name;        // as it is typed; it may be two words
    const char* positional;  // how help names the positional arguments; "" when the verb takes none
    std::vector<Flag> (*flags)();
    int (*run)(const Args& args);  // returns the exit code
    const char* summary;

    Verb verb() const { return {name, summary, positional, flags()}; }
};

// All that nnrun can do. A new verb is a file in this folder, its declaration below and its row in verbs.cpp.
const std::vector<VerbEntry>& verb_table();

std::vector<Flag> bench_decode_flags();
std::vector<Flag> bench_flags();
std::vector<Flag> bench_layers_flags();
std::vector<Flag> bench_prefill_flags();
std::vector<Flag> chat_flags();
std::vector<Flag> classify_flags();
std::vector<Flag> clip_flags();
std::vector<Flag> compute_flags();
std::vector<Flag> detect_flags();
std::vector<Flag> generate_flags();
std::vector<Flag> other_flags();
std::vector<Flag> pose_flags();
std::vector<Flag> score_flags();
std::vector<Flag> semantic_flags();
std::vector<Flag> tokenize_flags();
std::vector<Flag> track_mot_flags();
std::vector<Flag> track_sot_flags();
std::vector<Flag> watch_flags();

int bench(const Args& args);
int bench_decode(const Args& args);
int bench_layers(const Args& args);
int bench_prefill(const Args& args);
int chat(const Args& args);
int classify(const Args& args);
int clip(const Args& args);
int compute(const Args& args);
int detect(const Args& args);
int generate(const Args& args);
int obb(const Args& args);
int other(const Args& args);
int pose(const Args& args);
int score(const Args& args);
int segment(const Args& args);
int semantic(const Args& args);
int tokenize(const Args& args);
int track_mot(const Args& args);
int track_sot(const Args& args);
int watch(const Args& args);

}  // namespace nnrun
