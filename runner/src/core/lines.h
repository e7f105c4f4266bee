#pragma once

#include <string>

namespace nnrun {

// A standard stream that is closed would lend its number to the next file that is opened.
// Call it first.
void claim_streams();

// Writes one line to stdout at once. Output that nobody can read is a Failure with
// Exit::output, never a silent success. Safe to call from two threads.
void write_line(const std::string& line);

// Before the program is ended from another thread: a line in the making becomes whole, and no
// other begins. A reader that has stopped reading is not waited for.
void finish_lines();

// Closing is where some file systems first report a full disk.
void close_output();

}  // namespace nnrun
