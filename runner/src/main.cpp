#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "core/failure.h"
#include "core/lines.h"
#include "core/signals.h"
#include "core/text.h"
#include "verbs/common.h"
#include "verbs/verbs.h"

namespace nnrun {
namespace {

bool has_verb(const std::string& name) {
    return std::any_of(verb_table().begin(), verb_table().end(), [&](const VerbEntry& entry) { return entry.name == name; });
}

std::string overview() {
    std::string text = "nnrun VERB [flags]: runs an ncnn net on this machine, results as JSON Lines on stdout\n\n";
    for (const VerbEntry& entry : verb_table()) text += std::string("  ") + entry.name + ": " + entry.summary + "\n";
    return text +
           "\n  nnrun VERB --help, nnrun --version\n\n"
           "Exit codes: 0 success, 2 usage, 3 model, 4 input, 5 output, 128+n stopped by signal n";
}

[[noreturn]] void reject_verb(const std::string& name) {
    std::vector<std::string> names;
    std::vector<std::string> longer;
    for (const VerbEntry& entry : verb_table()) {
        names.emplace_back(entry.name);
        if (names.back().rfind(name + " ", 0) == 0) longer.push_back(names.back());
    }
    if (!longer.empty()) throw Failure(Exit::usage, "'" + name + "' needs a second word: " + join(longer, " or ") + "; see nnrun --help");
    const std::string guess = nearest(name, names);
    throw Failure(Exit::usage, "no verb '" + name + "'" + (guess.empty() ? "" : ", did you mean " + guess + "?") + "; see nnrun --help");
}

int run_verb(const std::string& name, const std::vector<std::string>& line) {
    for (const VerbEntry& entry : verb_table()) {
        if (entry.name != name) continue;
        const Args args(entry.verb(), line);
        if (!args.wants_help()) return entry.run(args);
        write_line(help_text(entry.verb()));
        return 0;
    }
    reject_verb(name);
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
    nnrun::handle_crashes();
    nnrun::handle_signals();
    return nnrun::guarded({words + 1, words + count});
}
