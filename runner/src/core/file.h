#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/failure.h"

namespace nnrun {

// The whole file; a missing, unreadable, irregular or oversized one is a Failure with the given exit code.
constexpr std::size_t max_file_bytes = std::size_t{256} << 20;
std::vector<unsigned char> read_file(const std::string& path, Exit code, std::size_t limit = max_file_bytes);

// A file that stays readable where it lies, in pages that the kernel may drop and read again.
class MappedFile {
public:
    MappedFile(const std::string& path, Exit code);
    ~MappedFile();
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    const unsigned char* bytes() const { return bytes_; }
    std::size_t size() const { return size_; }

private:
    const unsigned char* bytes_ = nullptr;
    std::size_t size_ = 0;
};

void write_floats(const std::string& path, const float* values, std::size_t count);

// The folder must exist already: a typing mistake must not grow folders on a board.
void check_folder(const std::string& path);

// A blob name as a file name: "/" cannot stand in one.
std::string file_name(const std::string& blob);

}  // namespace nnrun
