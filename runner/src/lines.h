#pragma once

#include <string>

namespace nnrun {

// Writes one line to stdout at once. Output that nobody can read is a Failure with
// Exit::output, never a silent success. Safe to call from two threads.
void write_line(const std::string& line);

// Closing is where some file systems first report a full disk.
void close_output();

}  // namespace nnrun
