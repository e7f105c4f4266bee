#include "core/kernel_file.h"

#include <fcntl.h>
#include <unistd.h>

namespace nnrun {

KernelFile::KernelFile(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

KernelFile::~KernelFile() {
    if (file_ >= 0) ::close(file_);
}

std::string_view KernelFile::read() {
    const ssize_t got = file_ < 0 ? -1 : ::pread(file_, text_.data(), text_.size(), 0);
    return got <= 0 ? std::string_view() : std::string_view(text_.data(), static_cast<std::size_t>(got));
}

}  // namespace nnrun
