#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace nnrun {

// Lets work that is interrupted say what there is of it. The signal's thread asks and waits, the working one
// looks at every step, and says when it has written its last line.
class Stopping {
public:
    bool is_asked() const { return asked_; }

    // By the thread that works. Where a signal has asked, the last call never returns: the
    // program ends with the signal's exit code.
    void begin();
    void end();

    // By the signal's thread: until the work has ended, or for so long.
    void ask(double seconds);

private:
    std::atomic<bool> asked_{false};
    std::mutex mutex_;
    std::condition_variable ended_;
    bool is_working_ = false;
};

}  // namespace nnrun
