#include "verbs/moment.h"

#include "core/clock.h"
#include "core/json.h"

namespace nnrun {
namespace {

void put(json::Object& line, const char* key, const std::optional<long long>& value) {
    value ? line.integer(key, *value) : line.null(key);
}

json::Object object(const Moment& moment) {
    json::Object line;
    line.number("uptime_s", to_milliseconds(moment.uptime_s));
    put(line, "temperature_mc", moment.temperature_mc);
    put(line, "khz", moment.khz);
    put(line, "arm_hz", moment.arm_hz);
    moment.throttled ? line.text("throttled", *moment.throttled) : line.null("throttled");
    moment.load ? line.number("load", *moment.load) : line.null("load");
    put(line, "available_kb", moment.available_kb);
    put(line, "swap_kb", moment.swap_kb);
    put(line, "busy_ticks", moment.busy_ticks);
    put(line, "own_ticks", moment.own_ticks);
    return line;
}

std::string json_of(const std::optional<Rails>& rails) {
    if (!rails) return "null";
    json::Object object;
    for (const auto& [rail, watts] : *rails) object.number(rail, watts);
    return object.str();
}

}  // namespace

std::string Moment::line() const { return object(*this).str(); }

std::string power_line(const Moment& moment, const std::optional<Rails>& rails) {
    return object(moment).raw("rails_w", json_of(rails)).str();
}

}  // namespace nnrun
