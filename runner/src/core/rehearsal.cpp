#include "core/rehearsal.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>

#include "core/failure.h"
#include "core/signals.h"
#include "core/text.h"

namespace nnrun {

StderrCapture::StderrCapture() {
    std::fflush(stderr);
    captured_ = ::memfd_create("stderr", MFD_CLOEXEC);
    stderr_ = ::dup(STDERR_FILENO);
    if (captured_ >= 0 && stderr_ >= 0) ::dup2(captured_, STDERR_FILENO);
}

StderrCapture::~StderrCapture() {
    std::fflush(stderr);
    if (stderr_ >= 0) {
        ::dup2(stderr_, STDERR_FILENO);
        ::close(stderr_);
    }
    if (captured_ >= 0) ::close(captured_);
}

std::string StderrCapture::last_line() const {
    std::fflush(stderr);
    char buffer[4096];
    const off_t size = captured_ < 0 ? 0 : ::lseek(captured_, 0, SEEK_END);
    const off_t from = size > static_cast<off_t>(sizeof buffer) ? size - static_cast<off_t>(sizeof buffer) : 0;
    const ssize_t got = captured_ < 0 ? 0 : ::pread(captured_, buffer, sizeof buffer, from);
    std::string last;
    if (got > 0)
        for (const std::string& line : split(std::string(buffer, static_cast<std::size_t>(got)), '\n'))
            if (!line.empty()) last = line;
    return last;
}

namespace {

void send(int pipe, const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t wrote = ::write(pipe, text.data() + done, text.size() - done);
        if (wrote <= 0) return;
        done += static_cast<std::size_t>(wrote);
    }
}

std::string receive(int pipe) {
    std::string text;
    char buffer[1024];
    for (ssize_t got = 1; got > 0 || (got < 0 && errno == EINTR);) {
        got = ::read(pipe, buffer, sizeof buffer);
        if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

// A crash leaves no core file behind, and the child does not outlive its parent.
void prepare_to_crash(pid_t parent) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    restore_crash_signals();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
}

[[noreturn]] void run_child(const std::function<std::string()>& action, int pipe) {
    int code = 0;
    try {
        send(pipe, action());
    } catch (const Failure& failure) {
        send(pipe, failure.what());
        code = static_cast<int>(failure.code);
    } catch (const std::bad_alloc&) {
        send(pipe, "not enough memory for the net; use a smaller model or input");
        code = static_cast<int>(Exit::model);
    }
    ::_exit(code);
}

int wait_for(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

void check_status(const std::string& subject, const std::string& line, int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    if (WIFEXITED(status) && !line.empty()) throw Failure(static_cast<Exit>(WEXITSTATUS(status)), line);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        throw Failure(Exit::model, subject + ": ncnn was killed, most likely for lack of memory; use a smaller model or input");
    const std::string signal = WIFSIGNALED(status) ? " (" + std::string(::strsignal(WTERMSIG(status))) + ")" : "";
    throw Failure(Exit::model, subject + ": ncnn crashes on this net" + signal + "; check that its files and the input belong together");
}

}  // namespace

std::string rehearse(const std::string& subject, const std::function<std::string()>& action) {
    int pipe[2];
    if (::pipe(pipe) != 0) throw Failure(Exit::model, subject + ": cannot create a pipe: " + std::strerror(errno));
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw Failure(Exit::model, subject + ": cannot start a child process: " + std::strerror(errno) + "; free some memory");
    if (child == 0) {
        prepare_to_crash(parent);
        run_child(action, pipe[1]);
    }
    ::close(pipe[1]);
    const std::string line = receive(pipe[0]);
    ::close(pipe[0]);
    check_status(subject, line, wait_for(child));
    return line;
}

}  // namespace nnrun
