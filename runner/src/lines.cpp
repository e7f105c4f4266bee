#include "lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "failure.h"

namespace nnrun {
namespace {

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
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    const std::string bytes = line + "\n";
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t wrote = ::write(STDOUT_FILENO, bytes.data() + done, bytes.size() - done);
        if (wrote < 0 && errno != EINTR) fail();
        if (wrote > 0) done += static_cast<std::size_t>(wrote);
    }
}

void close_output() {
    if (::close(STDOUT_FILENO) != 0) fail();
}

}  // namespace nnrun
