#pragma once

#include <functional>
#include <string>

namespace nnrun {

// From now on SIGINT, SIGTERM and SIGHUP end the program at once, even in the middle of an
// inference, with exit code 128 + the signal. SIGPIPE becomes a failed write.
void watch_signals();

// While it lives, the last words are spoken before a signal ends the program. They run on
// another thread than the work.
class LastWords {
public:
    explicit LastWords(std::function<void()> speak);
    ~LastWords();
    LastWords(const LastWords&) = delete;
    LastWords& operator=(const LastWords&) = delete;
};

// From now on a crash ends the program with one line and Exit::model. Rehearsals catch most of
// them before anything is written; this is for the others.
void watch_crashes();

// What that line names: the file of the net that runs.
void blame_in_a_crash(const std::string& path);

// In a child that is meant to crash instead: a signal ends it, as its parent expects.
void let_crash();

}  // namespace nnrun
