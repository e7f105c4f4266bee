#include "io/lines_in.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/clock.h"
#include "core/failure.h"

namespace nnrun {
namespace {

constexpr std::size_t max_line = std::size_t{16} << 20;
constexpr std::chrono::milliseconds pause{50};

}  // namespace

LinesIn::LinesIn(const std::string& path, double idle_s) : path_(path), idle_s_(idle_s), file_(path.empty() ? STDIN_FILENO : -1) {}

LinesIn::~LinesIn() {
    if (!path_.empty() && file_ >= 0) ::close(file_);
}

std::optional<std::string> LinesIn::next() {
    std::size_t end = pending_.find('\n');
    while (end == std::string::npos && !has_ended_) {
        if (!read_more()) has_ended_ = path_.empty() || !wait_for_more();
        end = pending_.find('\n');
    }
    if (end == std::string::npos && pending_.empty()) return std::nullopt;
    const std::string line = pending_.substr(0, end);
    pending_.erase(0, end == std::string::npos ? end : end + 1);
    return line;
}

bool LinesIn::read_more() {
    char block[4096];
    if (file_ < 0) file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0 && errno == ENOENT) return false;
    const ssize_t count = file_ < 0 ? -1 : ::read(file_, block, sizeof block);
    if (count < 0 && errno == EINTR) return true;
    if (count < 0) throw Failure(Exit::input, (path_.empty() ? "stdin" : path_) + ": " + std::strerror(errno));
    pending_.append(block, static_cast<std::size_t>(count));
    if (pending_.size() > max_line) throw Failure(Exit::input, (path_.empty() ? "stdin" : path_) + ": a line of more than 16 MB");
    return count > 0;
}

bool LinesIn::wait_for_more() {
    const Stopwatch watch;
    while (watch.ms() < idle_s_ * 1000) {
        std::this_thread::sleep_for(pause);
        if (read_more()) return true;
    }
    return false;
}

}  // namespace nnrun
