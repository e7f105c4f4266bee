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

constexpr std::size_t max_bytes = 64 * 1024;

struct Child {
    std::mutex mutex;
    pid_t id = 0;
};

Child& child() {
    static Child child;
    return child;
}

// stdout is the pipe, stdin is empty; signals have their default actions, and a process group of its
// own lets all of it be killed.
class SpawnSettings {
public:
    explicit SpawnSettings(int pipe) {
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
    ~SpawnSettings() {
        posix_spawnattr_destroy(&attributes_);
        posix_spawn_file_actions_destroy(&files_);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;

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
    return SpawnSettings(pipe).spawn(child().id, program, line);
}

// Whether the pipe was closed in time.
bool read_all(int pipe, int timeout_ms, std::string& text) {
    const Stopwatch watch;
    char buffer[1024];
    for (int left = timeout_ms; left > 0 && text.size() < max_bytes; left = timeout_ms - static_cast<int>(watch.ms())) {
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

std::string capture(const std::string& program, const std::vector<std::string>& arguments, int timeout_ms) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) return "";
    const bool started = start(program, arguments, pipe[1]);
    ::close(pipe[1]);
    std::string text;
    const bool whole = started && read_all(pipe[0], timeout_ms, text);
    ::close(pipe[0]);
    if (started) end();
    return whole ? text : "";
}

void end_capture() {
    child().mutex.lock();
    if (child().id > 0) ::kill(-child().id, SIGKILL);
}

namespace {

constexpr int vcgencmd_timeout_ms = 1000;

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

std::optional<Reading> parse_reading(const std::string& line) {
    const std::vector<std::string> parts = words(line);
    const std::size_t equals = line.find('=');
    if (parts.size() != 2 || parts[0].size() < 3 || equals == std::string::npos) return std::nullopt;
    const std::string& name = parts[0];
    const char unit = name.back();
    const auto value = parse_number(line.substr(equals + 1, line.size() - equals - 2));
    if (name[name.size() - 2] != '_' || (unit != 'A' && unit != 'V') || line.back() != unit || !value) return std::nullopt;
    return Reading{name.substr(0, name.size() - 2), unit, *value};
}

std::vector<Reading> parse_readings(const std::string& printed) {
    std::vector<Reading> readings;
    for (const std::string& line : split(printed, '\n'))
        if (const auto reading = parse_reading(line)) readings.push_back(*reading);
    return readings;
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
    const std::vector<Reading> all = parse_readings(printed);
    Rails rails;
    for (const Reading& current : all)
        for (const Reading& volt : all)
            if (current.unit == 'A' && volt.unit == 'V' && current.rail == volt.rail)
                rails.emplace_back(current.rail, current.value * volt.value);
    return rails.empty() ? std::nullopt : std::optional<Rails>(rails);
}

Firmware::Firmware() : vcgencmd_(find_program("vcgencmd")) {}

std::string Firmware::query(const std::vector<std::string>& words) const {
    return vcgencmd_.empty() ? "" : capture(vcgencmd_, words, vcgencmd_timeout_ms);
}

}  // namespace nnrun
