#pragma once

#include <optional>
#include <string_view>

namespace nnrun {

// What /proc and /sys say, from their text; whatever is not there is nullopt.

// The first word of a file, if it is a number: the load average, a temperature, a frequency.
std::optional<double> leading_number(std::string_view text);
std::optional<long long> leading_integer(std::string_view text);

// Kilobytes of one line of /proc/meminfo.
std::optional<long long> memory_kb(std::string_view meminfo, std::string_view name);

// Clock ticks of all cores that were neither idle nor waiting for a disk, from /proc/stat.
std::optional<long long> busy_ticks(std::string_view stat);

// From /proc/PID/stat (proc_pid_stat(5)).
struct ProcessStat {
    char state;                  // Z: dead, and nobody has asked yet
    long long ticks;             // of CPU time, by all its threads
    unsigned long long started;  // ticks after boot
};
std::optional<ProcessStat> process_stat(std::string_view stat);

}  // namespace nnrun
