#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nnrun {

// The first executable of that name on PATH, or "".
std::string find_program(const std::string& name);

// What a program prints on stdout; "" when it does not start, prints without end, or is not
// done within the limit, after which it is killed with all that it has started.
std::string capture(const std::string& program, const std::vector<std::string>& arguments, int limit_ms);

// Before the program is ended from another thread: the child ends, too, and none is started.
void end_capture();

using Rails = std::vector<std::pair<std::string, double>>;

// What vcgencmd prints; whatever is not there is nullopt.

// "throttled=0x50005" -> "0x50005"
std::optional<std::string> throttle_word(const std::string& printed);
// "frequency(0)=2400033792"
std::optional<long long> frequency_hz(const std::string& printed);
// Watts of the rails that have both current and voltage:
// "VDD_CORE_A current(7)=10.87674000A", "VDD_CORE_V volt(15)=0.89745940V"
std::optional<Rails> rails_w(const std::string& printed);

// The Raspberry Pi's firmware, asked by vcgencmd, which may be missing.
class Firmware {
public:
    Firmware();

    std::optional<std::string> throttled() const { return throttle_word(ask({"get_throttled"})); }
    std::optional<long long> arm_hz() const { return frequency_hz(ask({"measure_clock", "arm"})); }
    std::optional<Rails> rails() const { return rails_w(ask({"pmic_read_adc"})); }

private:
    std::string ask(const std::vector<std::string>& words) const;

    std::string vcgencmd_;
};

}  // namespace nnrun
