#pragma once

#include <functional>
#include <string>

namespace nnrun {

// From now on SIGINT, SIGTERM and SIGHUP end the program at once, even in the middle of an
// inference, with exit code 128 + the signal. SIGPIPE becomes a failed write.
void handle_signals();

// While it lives, its function runs before a signal ends the program, on another thread than the work.
class SignalCallback {
public:
    explicit SignalCallback(std::function<void()> run);
    ~SignalCallback();
    SignalCallback(const SignalCallback&) = delete;
    SignalCallback& operator=(const SignalCallback&) = delete;
};

// From now on a crash ends the program with one line and Exit::model. Rehearsals catch most of
// them before anything is written; this is for the others.
void handle_crashes();

// What that line names: the file of the net that runs.
void set_crash_subject(const std::string& path);

// In a child that is meant to crash instead: a signal ends it, as its parent expects.
void restore_crash_signals();

}  // namespace nnrun
