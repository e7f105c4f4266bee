#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nnrun {

// The first executable of that name on PATH, or "".
std::string find_program(const std::string& name);

// What a program prints on stdout; "" when it does not start, prints without end, or exceeds the
// timeout, after which it is killed with all that it has started.
std::string capture(const std::string& program, const std::vector<std::string>& arguments, int timeout_ms);

// Before another thread ends the program: kills the child, and lets none start.
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

// The Raspberry Pi's firmware, queried through vcgencmd, which may be missing.
class Firmware {
public:
    Firmware();

    std::optional<std::string> throttled() const { return throttle_word(query({"get_throttled"})); }
    std::optional<long long> arm_hz() const { return frequency_hz(query({"measure_clock", "arm"})); }
    std::optional<Rails> rails() const { return rails_w(query({"pmic_read_adc"})); }

private:
    std::string query(const std::vector<std::string>& words) const;

    std::string vcgencmd_;
};

}  // namespace nnrun
