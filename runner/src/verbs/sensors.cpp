#include "verbs/sensors.h"

#include "core/clock.h"
#include "core/kernel_text.h"

namespace nnrun {
namespace {

std::optional<long long> swap_used_kb(std::string_view meminfo) {
    const auto total = memory_kb(meminfo, "SwapTotal:");
    const auto free = memory_kb(meminfo, "SwapFree:");
    return total && free ? std::optional<long long>(*total - *free) : std::nullopt;
}

}  // namespace

Moment Sensors::read() {
    Moment now;
    now.uptime_s = uptime_s();
    now.temperature_mc = leading_integer(temperature_.read());
    now.khz = leading_integer(khz_.read());
    now.load = leading_number(load_.read());
    const std::string_view meminfo = memory_.read();
    now.available_kb = memory_kb(meminfo, "MemAvailable:");
    now.swap_kb = swap_used_kb(meminfo);
    now.busy_ticks = busy_ticks(cores_.read());
    return now;
}

}  // namespace nnrun
