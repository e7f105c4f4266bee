#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "core/crash.h"
#include "core/failure.h"
#include "core/lines.h"
#include "core/stop.h"
#include "core/text.h"
#include "verbs/bench.h"
#include "verbs/classify.h"
#include "verbs/compute.h"
#include "verbs/detect.h"
#include "verbs/header.h"
#include "verbs/pose.h"
#include "verbs/segment.h"
#include "verbs/track.h"
#include "verbs/watch.h"

namespace nnrun {
namespace {

struct Entry {
    Verb verb;
    int (*run)(const Args&);
};

std::vector<Entry> entries() {
    return {
        {bench_verb(), bench},
        {classify_verb(), classify},
        {compute_verb(), compute},
        {detect_verb(), detect},
        {pose_verb(), pose},
        {segment_verb(), segment},
        {track_mot_verb(), track_mot},
        {track_sot_verb(), track_sot},
        {watch_verb(), watch},
    };
}

bool has_verb(const std::string& name) {
    const std::vector<Entry> known = entries();
    return std::any_of(known.begin(), known.end(), [&](const Entry& entry) { return entry.verb.name == name; });
}

std::string overview() {
    std::string text = "nnrun VERB [flags]: runs an ncnn net on this machine, results as JSON Lines on stdout\n\n";
    for (const Entry& entry : entries()) text += "  " + entry.verb.name + ": " + entry.verb.summary + "\n";
    return text + "\n  nnrun VERB --help, nnrun --version\n\n"
                  "Exit codes: 0 all is well, 2 usage, 3 model, 4 input, 5 output, 128+n stopped by signal n";
}

int run_verb(const std::string& name, const std::vector<std::string>& rest) {
    std::vector<std::string> names;
    for (const Entry& entry : entries()) {
        names.push_back(entry.verb.name);
        if (entry.verb.name != name) continue;
        const Args args(entry.verb, rest);
        if (!args.wants_help()) return entry.run(args);
        write_line(help_text(entry.verb));
        return 0;
    }
    std::vector<std::string> longer;
    for (const std::string& known : names)
        if (known.rfind(name + " ", 0) == 0) longer.push_back(known);
    if (!longer.empty()) throw Failure(Exit::usage, "'" + name + "' goes on: " + join(longer, " or ") + "; see nnrun --help");
    const std::string guess = nearest(name, names);
    throw Failure(Exit::usage, "no verb '" + name + "'" + (guess.empty() ? "" : ", did you mean " + guess + "?") + "; see nnrun --help");
}

int dispatch(const std::vector<std::string>& line) {
    if (line.empty()) throw Failure(Exit::usage, "a verb is missing; see nnrun --help");
    if (line[0] == "--help" || line[0] == "-h") {
        write_line(overview());
        return 0;
    }
    if (line[0] == "--version") {
        write_line(version_line());
        return 0;
    }
    // A verb may be two words: "track mot".
    const bool two = line.size() > 1 && has_verb(line[0] + " " + line[1]);
    return run_verb(two ? line[0] + " " + line[1] : line[0], {line.begin() + (two ? 2 : 1), line.end()});
}

int guarded(const std::vector<std::string>& line) {
    try {
        claim_streams();
        const int code = dispatch(line);
        close_output();
        return code;
    } catch (const Failure& failure) {
        std::fprintf(stderr, "nnrun: %s\n", printable(failure.what()).c_str());
        return static_cast<int>(failure.code);
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "nnrun: not enough memory; use a smaller model or input\n");
        return static_cast<int>(Exit::input);
    }
}

}  // namespace
}  // namespace nnrun

int main(int count, char** words) {
    nnrun::watch_crashes();
    nnrun::watch_signals();
    return nnrun::guarded({words + 1, words + count});
}
