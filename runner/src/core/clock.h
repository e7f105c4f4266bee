#pragma once

#include <time.h>

#include <chrono>
#include <cmath>

namespace nnrun {

class Stopwatch {
public:
    double ms() const { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count(); }

    // The time since the start or the last lap.
    double lap() {
        const double passed = ms();
        start_ = std::chrono::steady_clock::now();
        return passed;
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Seconds since boot, those of sleep included: the clock of /proc/uptime, so that a sample
// and one of telemetry can be laid side by side.
inline double uptime_s() {
    struct timespec now {};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

inline double to_milliseconds(double seconds) { return std::round(seconds * 1000) / 1000; }

}  // namespace nnrun
