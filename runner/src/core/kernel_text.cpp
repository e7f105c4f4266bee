#include "core/kernel_text.h"

#include <algorithm>
#include <charconv>

namespace nnrun {
namespace {

// Words of one line, one after the other; empty ones when there are no more.
class Words {
public:
    explicit Words(std::string_view text) : rest_(text.substr(0, text.find('\n'))) {}

    std::string_view next() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
        const std::string_view word = rest_.substr(0, rest_.find(' '));
        rest_.remove_prefix(word.size());
        return word;
    }

    void skip(int count) {
        for (int i = 0; i < count; ++i) next();
    }

private:
    std::string_view rest_;
};

template <typename Value>
std::optional<Value> whole(std::string_view word) {
    Value value{};
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size() || word.empty()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<double> leading_number(std::string_view text) { return whole<double>(Words(text).next()); }

std::optional<long long> leading_integer(std::string_view text) { return whole<long long>(Words(text).next()); }

std::optional<long long> memory_kb(std::string_view meminfo, std::string_view name) {
    for (std::string_view rest = meminfo; !rest.empty();) {
        Words line(rest);
        if (line.next() == name) return whole<long long>(line.next());
        rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    }
    return std::nullopt;
}

// cpu user nice system idle iowait irq softirq steal; guests are in user already.
std::optional<long long> busy_ticks(std::string_view stat) {
    Words line(stat);
    if (line.next() != "cpu") return std::nullopt;
    long long sum = 0;
    for (const bool busy : {true, true, true, false, false, true, true, true}) {
        const auto ticks = whole<long long>(line.next());
        if (!ticks) return std::nullopt;
        if (busy) sum += *ticks;
    }
    return sum;
}

// The second field is the program's name, in which there may be anything but what follows it.
std::optional<ProcessStat> process_stat(std::string_view stat) {
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    Words fields(stat.substr(name_end + 1));
    const std::string_view state = fields.next();
    fields.skip(10);
    const auto user = whole<long long>(fields.next());
    const auto system = whole<long long>(fields.next());
    fields.skip(6);
    const auto started = whole<unsigned long long>(fields.next());
    if (state.size() != 1 || !user || !system || !started) return std::nullopt;
    return ProcessStat{state[0], *user + *system, *started};
}

}  // namespace nnrun
