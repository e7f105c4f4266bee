#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace nnrun {

// What must hold whatever comes in; libFuzzer reports the input for which it does not.
inline void demand(bool holds) {
    if (!holds) std::abort();
}

// Bytes as a file that has a path, in memory.
class MemoryFile {
public:
    MemoryFile(const std::uint8_t* bytes, std::size_t size) : file_(::memfd_create("fuzz", MFD_CLOEXEC)) {
        demand(file_ >= 0 && ::write(file_, bytes, size) == static_cast<ssize_t>(size) && ::lseek(file_, 0, SEEK_SET) == 0);
    }
    ~MemoryFile() { ::close(file_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    int number() const { return file_; }
    std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

private:
    int file_;
};

}  // namespace nnrun
