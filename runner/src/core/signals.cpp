#include "core/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "core/failure.h"
#include "core/text.h"

namespace nnrun {
namespace {

struct Callback {
    std::mutex mutex;
    std::function<void()> run;
};

Callback& callback() {
    static Callback callback;
    return callback;
}

void wait_and_end(const sigset_t& stops) {
    int signal = 0;
    while (sigwait(&stops, &signal) != 0) {
    }
    const std::lock_guard<std::mutex> lock(callback().mutex);
    try {
        if (callback().run) callback().run();
    } catch (const std::exception&) {
        // The reader is gone; the exit code says the rest.
    }
    ::_exit(128 + signal);
}

}  // namespace

void handle_signals() {
    std::signal(SIGPIPE, SIG_IGN);
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    // A lost terminal; under nohup it stays ignored.
    sigaddset(&stops, SIGHUP);
    // Blocked in every thread, for those that OpenMP starts later inherit it.
    pthread_sigmask(SIG_BLOCK, &stops, nullptr);
    callback();
    std::thread([stops] { wait_and_end(stops); }).detach();
}

SignalCallback::SignalCallback(std::function<void()> run) {
    const std::lock_guard<std::mutex> lock(callback().mutex);
    callback().run = std::move(run);
}

SignalCallback::~SignalCallback() {
    const std::lock_guard<std::mutex> lock(callback().mutex);
    callback().run = nullptr;
}

namespace {

constexpr std::array<int, 5> crashes{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr char advice[] = ": ncnn crashes on this net; check that its files and the input belong together\n";

// Written before a crash: during one, nothing may be allocated.
std::array<char, 1024> line{};
std::array<unsigned char, 64 * 1024> stack{};

void prepare(const std::string& subject) {
    const std::string text = "nnrun: " + printable(subject).substr(0, line.size() - sizeof advice - 8) + advice;
    std::copy(text.begin(), text.end(), line.begin());
    line[text.size()] = '\0';
}

void end(int) {
    const std::size_t size = std::strlen(line.data());
    if (::write(STDERR_FILENO, line.data(), size) < 0) ::_exit(static_cast<int>(Exit::output));
    ::_exit(static_cast<int>(Exit::model));
}

void set_action(void (*action)(int), int flags) {
    struct sigaction how {};
    how.sa_handler = action;
    how.sa_flags = flags;
    for (const int signal : crashes) ::sigaction(signal, &how, nullptr);
}

}  // namespace

// On a stack of its own: a deep enough net makes the other one overflow.
void handle_crashes() {
    prepare("this program");
    stack_t own{};
    own.ss_sp = stack.data();
    own.ss_size = stack.size();
    ::sigaltstack(&own, nullptr);
    set_action(end, SA_ONSTACK | SA_RESETHAND);
}

void set_crash_subject(const std::string& path) { prepare(path); }

void restore_crash_signals() { set_action(SIG_DFL, 0); }

}  // namespace nnrun
