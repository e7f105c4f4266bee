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

    // By the signal's thread: until the work has ended, or for so long.
    void ask(double seconds);

    // In the thread that works, around each piece of work.
    class Work {
    public:
        explicit Work(Stopping& stopping) : stopping_(stopping) { stopping_.begin(); }
        ~Work() { stopping_.end(); }
        Work(const Work&) = delete;
        Work& operator=(const Work&) = delete;

    private:
        Stopping& stopping_;
    };

private:
    void begin();
    // Where a signal has asked, it never returns: the program ends with the signal's exit code.
    void end();

    std::atomic<bool> asked_{false};
    std::mutex mutex_;
    std::condition_variable ended_;
    bool is_working_ = false;
};

}  // namespace nnrun
