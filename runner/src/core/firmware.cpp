#include "core/firmware.h"

#include <algorithm>
#include <cctype>

#include "core/capture.h"
#include "core/text.h"

namespace nnrun {
namespace {

constexpr int limit_ms = 1000;

// What follows "=" on the one line that begins so.
std::optional<std::string> value_of(const std::string& printed, const std::string& begin) {
    const std::size_t equals = printed.find('=');
    if (printed.rfind(begin, 0) != 0 || equals == std::string::npos || printed.back() != '\n') return std::nullopt;
    return printed.substr(equals + 1, printed.size() - equals - 2);
}

bool is_hexadecimal(const std::string& word) {
    return word.size() > 2 && word.rfind("0x", 0) == 0 &&
           std::all_of(word.begin() + 2, word.end(), [](unsigned char letter) { return std::isxdigit(letter) != 0; });
}

// "VDD_CORE_A current(7)=10.87674000A": rail VDD_CORE, unit A.
struct Reading {
    std::string rail;
    char unit;
    double value;
};

std::optional<Reading> reading(const std::string& line) {
    const std::vector<std::string> parts = words(line);
    const std::size_t equals = line.find('=');
    if (parts.size() != 2 || parts[0].size() < 3 || equals == std::string::npos) return std::nullopt;
    const std::string& name = parts[0];
    const char unit = name.back();
    const auto value = parse_number(line.substr(equals + 1, line.size() - equals - 2));
    if (name[name.size() - 2] != '_' || (unit != 'A' && unit != 'V') || line.back() != unit || !value) return std::nullopt;
    return Reading{name.substr(0, name.size() - 2), unit, *value};
}

std::vector<Reading> readings(const std::string& printed) {
    std::vector<Reading> found;
    for (const std::string& line : split(printed, '\n'))
        if (const auto one = reading(line)) found.push_back(*one);
    return found;
}

}  // namespace

std::optional<std::string> throttle_word(const std::string& printed) {
    const auto word = value_of(printed, "throttled=");
    return word && is_hexadecimal(*word) ? word : std::nullopt;
}

std::optional<long long> frequency_hz(const std::string& printed) {
    const auto word = value_of(printed, "frequency(");
    return word ? parse_integer(*word) : std::nullopt;
}

std::optional<Rails> rails_w(const std::string& printed) {
    const std::vector<Reading> all = readings(printed);
    Rails rails;
    for (const Reading& current : all)
        for (const Reading& volt : all)
            if (current.unit == 'A' && volt.unit == 'V' && current.rail == volt.rail)
                rails.emplace_back(current.rail, current.value * volt.value);
    return rails.empty() ? std::nullopt : std::optional<Rails>(rails);
}

Firmware::Firmware() : vcgencmd_(find_program("vcgencmd")) {}

std::string Firmware::ask(const std::vector<std::string>& words) const {
    return vcgencmd_.empty() ? "" : capture(vcgencmd_, words, limit_ms);
}

}  // namespace nnrun
