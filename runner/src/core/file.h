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

void write_floats(const std::string& path, const float* values, std::size_t count);

// The folder must exist already: a typing mistake must not grow folders on a board.
void check_folder(const std::string& path);

// A blob name as a file name: "/" cannot stand in one.
std::string file_name(const std::string& blob);

}  // namespace nnrun
