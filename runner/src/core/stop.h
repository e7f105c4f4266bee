#pragma once

#include <functional>

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

}  // namespace nnrun
