#pragma once

#include <optional>
#include <string>

#include "core/firmware.h"

namespace nnrun {

// A board at one moment; whatever it does not tell is null (Moment of piyard/telemetry.py).
struct Moment {
    double uptime_s = 0;
    std::optional<long long> temperature_mc;
    std::optional<long long> khz;
    std::optional<long long> arm_hz;
    std::optional<std::string> throttled;
    std::optional<double> load;
    std::optional<long long> available_kb;
    std::optional<long long> swap_kb;
    std::optional<long long> busy_ticks;
    std::optional<long long> own_ticks;

    std::string line() const;
};

// The same with the power of each rail (Power of piyard/energy.py).
std::string power_line(const Moment& moment, const std::optional<Rails>& rails);

}  // namespace nnrun
