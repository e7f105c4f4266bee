#pragma once

#include <string>

namespace nnrun {

// From now on a crash ends the program with one line and Exit::model. Rehearsals catch most of
// them before anything is written; this is for the others.
void watch_crashes();

// What that line names: the file of the net that runs.
void blame_in_a_crash(const std::string& path);

// In a child that is meant to crash instead: a signal ends it, as its parent expects.
void let_crash();

}  // namespace nnrun
