#include "core/quiet.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "core/text.h"

namespace nnrun {

Quiet::Quiet() {
    std::fflush(stderr);
    caught_ = ::memfd_create("stderr", MFD_CLOEXEC);
    stderr_ = ::dup(STDERR_FILENO);
    if (caught_ >= 0 && stderr_ >= 0) ::dup2(caught_, STDERR_FILENO);
}

Quiet::~Quiet() {
    std::fflush(stderr);
    if (stderr_ >= 0) {
        ::dup2(stderr_, STDERR_FILENO);
        ::close(stderr_);
    }
    if (caught_ >= 0) ::close(caught_);
}

std::string Quiet::last_line() const {
    std::fflush(stderr);
    char buffer[4096];
    const off_t size = caught_ < 0 ? 0 : ::lseek(caught_, 0, SEEK_END);
    const off_t from = size > static_cast<off_t>(sizeof buffer) ? size - static_cast<off_t>(sizeof buffer) : 0;
    const ssize_t got = caught_ < 0 ? 0 : ::pread(caught_, buffer, sizeof buffer, from);
    std::string last;
    if (got > 0)
        for (const std::string& line : split(std::string(buffer, static_cast<std::size_t>(got)), '\n'))
            if (!line.empty()) last = line;
    return last;
}

}  // namespace nnrun
