#include "core/lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>

#include "core/failure.h"

namespace nnrun {
namespace {

std::timed_mutex& output_mutex() {
    static std::timed_mutex mutex;
    return mutex;
}

[[noreturn]] void fail() {
    throw Failure(Exit::output, std::string("cannot write to stdout: ") + std::strerror(errno) +
                                    "; the results are incomplete, check the reader and the free space");
}

}  // namespace

void claim_streams() {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) >= 0) continue;
        if (stream == STDOUT_FILENO) fail();
        if (::open("/dev/null", O_RDWR) < 0) fail();
    }
}

void write_line(const std::string& line) {
    const std::lock_guard<std::timed_mutex> lock(output_mutex());
    const std::string bytes = line + "\n";
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t wrote = ::write(STDOUT_FILENO, bytes.data() + done, bytes.size() - done);
        if (wrote < 0 && errno != EINTR) fail();
        if (wrote > 0) done += static_cast<std::size_t>(wrote);
    }
}

void finish_lines() { static_cast<void>(output_mutex().try_lock_for(std::chrono::seconds(1))); }

void close_output() {
    if (::close(STDOUT_FILENO) != 0) fail();
}

}  // namespace nnrun
