#include "core/firmware.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
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

namespace {

constexpr int limit_ms = 1000;

// What follows "=" on the one line that begins so.
std::optional<std::string> value_of(const std::string& printed, const std::string& begin) {
    const std::size_t equals = printed.find('=');
    if (printed.rfind(begin, 0) != 0 || equals == std::string::npos || printed.back() != '\n') return std::nullopt;
    return printed.substr(equals + 1, printed.size() - equals - 2);
}

bool is_hexadecimal(const std::string& word) {
    return word.size() > 2 && word.rfind("0x", 0) == 0 &&
           std::all_of(word.begin() + 2, word.end(), [](unsigned char letter) { return std::isxdigit(letter) != 0; });
}

// "VDD_CORE_A current(7)=10.87674000A": rail VDD_CORE, unit A.
struct Reading {
    std::string rail;
    char unit;
    double value;
};

std::optional<Reading> reading(const std::string& line) {
    const std::vector<std::string> parts = words(line);
    const std::size_t equals = line.find('=');
    if (parts.size() != 2 || parts[0].size() < 3 || equals == std::string::npos) return std::nullopt;
    const std::string& name = parts[0];
    const char unit = name.back();
    const auto value = parse_number(line.substr(equals + 1, line.size() - equals - 2));
    if (name[name.size() - 2] != '_' || (unit != 'A' && unit != 'V') || line.back() != unit || !value) return std::nullopt;
    return Reading{name.substr(0, name.size() - 2), unit, *value};
}

std::vector<Reading> readings(const std::string& printed) {
    std::vector<Reading> found;
    for (const std::string& line : split(printed, '\n'))
        if (const auto one = reading(line)) found.push_back(*one);
    return found;
}

}  // namespace

std::optional<std::string> throttle_word(const std::string& printed) {
    const auto word = value_of(printed, "throttled=");
    return word && is_hexadecimal(*word) ? word : std::nullopt;
}

std::optional<long long> frequency_hz(const std::string& printed) {
    const auto word = value_of(printed, "frequency(");
    return word ? parse_integer(*word) : std::nullopt;
}

std::optional<Rails> rails_w(const std::string& printed) {
    const std::vector<Reading> all = readings(printed);
    Rails rails;
    for (const Reading& current : all)
        for (const Reading& volt : all)
            if (current.unit == 'A' && volt.unit == 'V' && current.rail == volt.rail)
                rails.emplace_back(current.rail, current.value * volt.value);
    return rails.empty() ? std::nullopt : std::optional<Rails>(rails);
}

Firmware::Firmware() : vcgencmd_(find_program("vcgencmd")) {}

std::string Firmware::ask(const std::vector<std::string>& words) const {
    return vcgencmd_.empty() ? "" : capture(vcgencmd_, words, limit_ms);
}

}  // namespace nnrun
