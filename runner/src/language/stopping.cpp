#include "language/stopping.h"

#include <unistd.h>

#include <chrono>

namespace nnrun {

void Stopping::begin() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_working_ = true;
}

void Stopping::end() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        is_working_ = false;
    }
    ended_.notify_all();
    while (asked_) ::pause();
}

void Stopping::ask(double seconds) {
    asked_ = true;
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return !is_working_; });
}

}  // namespace nnrun
