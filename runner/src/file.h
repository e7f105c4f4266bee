#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "failure.h"

namespace nnrun {

// The whole file; a missing, unreadable or odd one is a Failure with the given exit code.
std::vector<unsigned char> read_file(const std::string& path, Exit code);

void write_floats(const std::string& path, const float* values, std::size_t count);

// The folder must exist already: a typing mistake must not grow folders on a board.
void check_folder(const std::string& path);

// A blob name as a file name: "/" cannot stand in one.
std::string file_name(const std::string& blob);

}  // namespace nnrun
