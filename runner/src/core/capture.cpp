#include "core/capture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>

#include "core/clock.h"
#include "core/text.h"

namespace nnrun {
namespace {

constexpr std::size_t most_bytes = 64 * 1024;

struct Child {
    std::mutex mutex;
    pid_t id = 0;
};

Child& child() {
    static Child child;
    return child;
}

// stdout is the pipe, nothing comes in; signals are as a program expects them, and a process
// group of its own lets all of it be killed.
class Manners {
public:
    explicit Manners(int pipe) {
        posix_spawn_file_actions_init(&files_);
        posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_adddup2(&files_, pipe, STDOUT_FILENO);
        posix_spawnattr_init(&attributes_);
        sigset_t set;
        sigemptyset(&set);
        posix_spawnattr_setsigmask(&attributes_, &set);
        sigaddset(&set, SIGPIPE);
        posix_spawnattr_setsigdefault(&attributes_, &set);
        posix_spawnattr_setpgroup(&attributes_, 0);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    ~Manners() {
        posix_spawnattr_destroy(&attributes_);
        posix_spawn_file_actions_destroy(&files_);
    }
    Manners(const Manners&) = delete;
    Manners& operator=(const Manners&) = delete;

    bool spawn(pid_t& id, const std::string& program, std::vector<char*>& line) const {
        return ::posix_spawn(&id, program.c_str(), &files_, &attributes_, line.data(), ::environ) == 0;
    }

private:
    posix_spawn_file_actions_t files_{};
    posix_spawnattr_t attributes_{};
};

bool start(const std::string& program, std::vector<std::string> words, int pipe) {
    words.insert(words.begin(), program);
    std::vector<char*> line;
    for (std::string& word : words) line.push_back(word.data());
    line.push_back(nullptr);
    const std::lock_guard<std::mutex> lock(child().mutex);
    return Manners(pipe).spawn(child().id, program, line);
}

// Whether it came to its end in time.
bool read_all(int pipe, int limit_ms, std::string& text) {
    const Stopwatch watch;
    char buffer[1024];
    for (int left = limit_ms; left > 0 && text.size() < most_bytes; left = limit_ms - static_cast<int>(watch.ms())) {
        pollfd ready{pipe, POLLIN, 0};
        if (::poll(&ready, 1, left) <= 0) continue;
        const ssize_t got = ::read(pipe, buffer, sizeof buffer);
        if (got <= 0) return got == 0;
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return false;
}

void end() {
    const std::lock_guard<std::mutex> lock(child().mutex);
    ::kill(-child().id, SIGKILL);
    while (::waitpid(child().id, nullptr, 0) < 0 && errno == EINTR) {
    }
    child().id = 0;
}

}  // namespace

std::string find_program(const std::string& name) {
    const char* const path = std::getenv("PATH");
    for (const std::string& folder : split(path == nullptr ? "" : path, ':')) {
        const std::string file = folder + "/" + name;
        if (!folder.empty() && ::access(file.c_str(), X_OK) == 0) return file;
    }
    return "";
}

std::string capture(const std::string& program, const std::vector<std::string>& arguments, int limit_ms) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) return "";
    const bool started = start(program, arguments, pipe[1]);
    ::close(pipe[1]);
    std::string text;
    const bool whole = started && read_all(pipe[0], limit_ms, text);
    ::close(pipe[0]);
    if (started) end();
    return whole ? text : "";
}

void end_capture() {
    child().mutex.lock();
    if (child().id > 0) ::kill(-child().id, SIGKILL);
}

}  // namespace nnrun
