#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nnrun {

std::string cpu_arch();
// The features for which ncnn has kernels and which this CPU has.
std::vector<std::string> cpu_features();
// "OMP_WAIT_POLICY=PASSIVE" …: what changes how OpenMP runs.
std::vector<std::string> openmp_environment();
long peak_rss_kb();
// What can be had without swapping; nullopt where the kernel does not say so.
std::optional<std::uint64_t> available_bytes();

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
    char state;                  // Z: dead, and not waited for yet
    long long ticks;             // of CPU time, by all its threads
    unsigned long long started;  // ticks after boot
};
std::optional<ProcessStat> process_stat(std::string_view stat);

}  // namespace nnrun
