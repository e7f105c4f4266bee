#pragma once

#include <array>
#include <string>
#include <string_view>

namespace nnrun {

// A file of /proc or /sys, opened once: a read costs one system call.
class KernelFile {
public:
    explicit KernelFile(const std::string& path);
    ~KernelFile();
    KernelFile(const KernelFile&) = delete;
    KernelFile& operator=(const KernelFile&) = delete;

    // As it is now, its first 2 KB; empty when it is missing or cannot be read. Holds until the
    // next read.
    std::string_view read();

private:
    int file_;
    std::array<char, 2048> text_{};
};

}  // namespace nnrun
