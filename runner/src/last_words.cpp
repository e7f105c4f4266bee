#include "last_words.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <thread>
#include <utility>

namespace nnrun {
namespace {

void die_of(int signal_number) {
    ::signal(signal_number, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
    ::raise(signal_number);
    ::_exit(128 + signal_number);
}

void wait_and_speak(const sigset_t& stops, const std::function<void()>& speak) {
    int signal_number = 0;
    while (sigwait(&stops, &signal_number) != 0) {
    }
    try {
        speak();
    } catch (const std::exception&) {
        // The reader is gone as well: dying of the signal is all that is left to say.
    }
    die_of(signal_number);
}

}  // namespace

void on_stop(std::function<void()> speak) {
    sigset_t stops;
    sigemptyset(&stops);
    for (const int stop : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&stops, stop);
    pthread_sigmask(SIG_BLOCK, &stops, nullptr);
    std::thread([stops, speak = std::move(speak)] { wait_and_speak(stops, speak); }).detach();
}

}  // namespace nnrun
