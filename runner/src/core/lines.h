#pragma once

#include <string>

namespace nnrun {

// A standard stream that is closed would lend its number to the next file that is opened.
// Call it first.
void claim_streams();

// Writes one line to stdout at once. Output that cannot be written is a Failure with
// Exit::output, never a silent success. Safe to call from two threads.
void write_line(const std::string& line);

// Before another thread ends the program: completes the line that is being written, and lets no
// other begin. Does not wait for a reader that has stopped reading.
void finish_lines();

// Closing is where some file systems first report a full disk.
void close_output();

}  // namespace nnrun
