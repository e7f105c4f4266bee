#include "core/stop.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace nnrun {
namespace {

struct Words {
    std::mutex mutex;
    std::function<void()> speak;
};

Words& words() {
    static Words words;
    return words;
}

void wait_and_end(const sigset_t& stops) {
    int signal = 0;
    while (sigwait(&stops, &signal) != 0) {
    }
    const std::lock_guard<std::mutex> lock(words().mutex);
    try {
        if (words().speak) words().speak();
    } catch (const std::exception&) {
        // Nobody listens any more; the exit code says the rest.
    }
    ::_exit(128 + signal);
}

}  // namespace

void watch_signals() {
    std::signal(SIGPIPE, SIG_IGN);
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    // A lost terminal; under nohup it stays ignored.
    sigaddset(&stops, SIGHUP);
    // Blocked in every thread, for those that OpenMP starts later inherit it.
    pthread_sigmask(SIG_BLOCK, &stops, nullptr);
    words();
    std::thread([stops] { wait_and_end(stops); }).detach();
}

LastWords::LastWords(std::function<void()> speak) {
    const std::lock_guard<std::mutex> lock(words().mutex);
    words().speak = std::move(speak);
}

LastWords::~LastWords() {
    const std::lock_guard<std::mutex> lock(words().mutex);
    words().speak = nullptr;
}

}  // namespace nnrun
