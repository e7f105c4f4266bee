#include "core/args.h"

#include <algorithm>
#include <cstdio>

#include "core/failure.h"
#include "core/text.h"

namespace nnrun {
namespace {

std::string format_number(double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%g", value);
    return buffer;
}

bool looks_like_flag(const std::string& word) { return word.rfind("--", 0) == 0; }

// "-0.5,1" is a value; "-x" is a mistake.
bool looks_like_short_flag(const std::string& word) { return word.size() > 1 && word[0] == '-' && word[1] > '9'; }

}  // namespace

Args::Args(const Verb& verb, const std::vector<std::string>& line) : verb_(verb) {
    bool flags_ended = false;
    for (std::size_t at = 0; at < line.size(); ++at) {
        const std::string& word = line[at];
        if (flags_ended || (!looks_like_flag(word) && !looks_like_short_flag(word))) {
            positional_.push_back(word);
        } else if (word == "--") {
            flags_ended = true;
        } else if (word == "--help" || word == "-h") {
            help_ = true;
        } else {
            at = read_flag(line, at);
        }
    }
    if (help_) return;
    if (!positional_.empty() && verb_.positional.empty()) reject("unexpected argument '" + positional_.front() + "'");
    check_required();
}

std::size_t Args::read_flag(const std::vector<std::string>& line, std::size_t at) {
    const std::size_t equals = line[at].find('=');
    const std::string name = line[at].substr(0, equals);
    const Flag& flag = find(name);
    std::vector<std::string>& values = values_[name];
    if (!values.empty() && !flag.repeatable) reject(name + " is given twice");
    if (flag.value.empty()) {
        if (equals != std::string::npos) reject(name + " takes no value");
        values.emplace_back();
        return at;
    }
    if (equals != std::string::npos) {
        values.push_back(line[at].substr(equals + 1));
    } else {
        ++at;
        if (at == line.size() || looks_like_flag(line[at])) reject(name + " needs a value (" + flag.value + ")");
        values.push_back(line[at]);
    }
    if (values.back().empty()) reject(name + " needs a value (" + flag.value + ")");
    return at;
}

const Flag& Args::find(const std::string& name) const {
    std::vector<std::string> names{"--help"};
    for (const Flag& flag : verb_.flags) {
        if (flag.name == name) return flag;
        names.push_back(flag.name);
    }
    const std::string guess = nearest(name, names);
    reject("unknown flag " + name + (guess.empty() ? "" : ", did you mean " + guess + "?"));
}

void Args::check_required() const {
    for (const Flag& flag : verb_.flags)
        if (flag.required && !has(flag.name)) reject(flag.name + " " + flag.value + " is required");
}

void Args::reject(const std::string& problem) const { throw Failure(Exit::usage, problem + "; see nnrun " + verb_.name + " --help"); }

Args Args::under(const std::string& prefix) const {
    Args view(*this);
    view.prefix_ = prefix;
    return view;
}

std::string Args::text(const std::string& flag, const std::string& fallback) const {
    return has(flag) ? values_.at(name(flag)).front() : fallback;
}

std::vector<std::string> Args::texts(const std::string& flag) const {
    return has(flag) ? values_.at(name(flag)) : std::vector<std::string>{};
}

int Args::integer(const std::string& flag, int low, int high, int fallback) const {
    if (!has(flag)) return fallback;
    const auto value = parse_integer(text(flag));
    if (!value || *value < low || *value > high)
        reject(name(flag) + " takes a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", not '" + text(flag) +
               "'");
    return static_cast<int>(*value);
}

double Args::number(const std::string& flag, double low, double high, double fallback) const {
    if (!has(flag)) return fallback;
    const auto value = parse_number(text(flag));
    if (!value || *value < low || *value > high)
        reject(name(flag) + " takes a number from " + format_number(low) + " to " + format_number(high) + ", not '" + text(flag) + "'");
    return *value;
}

unsigned long long Args::seed(const std::string& flag, unsigned long long fallback) const {
    if (!has(flag)) return fallback;
    const auto value = parse_unsigned(text(flag));
    if (!value) reject(name(flag) + " takes a whole number from 0 to 2^64-1, not '" + text(flag) + "'");
    return *value;
}

std::string Args::choice(const std::string& flag, const std::vector<std::string>& legal, const std::string& fallback) const {
    const std::string value = text(flag, fallback);
    if (std::find(legal.begin(), legal.end(), value) == legal.end())
        reject(name(flag) + " is one of " + join(legal, ", ") + ", not '" + value + "'");
    return value;
}

std::vector<float> Args::floats(const std::string& flag, std::size_t count, float fallback) const {
    if (!has(flag)) return std::vector<float>(count, fallback);
    std::vector<float> values;
    for (const std::string& part : split(text(flag), ',')) {
        const auto value = parse_number(part);
        if (!value) reject(name(flag) + " takes " + std::to_string(count) + " numbers a,b,c, not '" + text(flag) + "'");
        values.push_back(static_cast<float>(*value));
    }
    if (values.size() != count)
        reject(name(flag) + " takes " + std::to_string(count) + " numbers a,b,c, not " + std::to_string(values.size()));
    return values;
}

std::vector<int> Args::sizes(const std::string& flag, char separator, std::size_t min_count, std::size_t max_count) const {
    return read_sizes(flag, text(flag), separator, min_count, max_count);
}

std::vector<std::vector<int>> Args::all_sizes(const std::string& flag, char separator, std::size_t min_count, std::size_t max_count) const {
    std::vector<std::vector<int>> each;
    for (const std::string& words : texts(flag)) each.push_back(read_sizes(flag, words, separator, min_count, max_count));
    return each;
}

std::vector<int> Args::read_sizes(const std::string& flag, const std::string& words, char separator, std::size_t min_count,
                                  std::size_t max_count) const {
    constexpr long long largest = 1 << 20;
    std::vector<int> sizes;
    for (const std::string& part : split(words, separator)) {
        const auto value = parse_integer(part);
        if (!value || *value < 1 || *value > largest) reject(name(flag) + " takes sizes from 1 up, not '" + words + "'");
        sizes.push_back(static_cast<int>(*value));
    }
    if (sizes.size() < min_count || sizes.size() > max_count)
        reject(name(flag) + " takes " + std::to_string(min_count) + " to " + std::to_string(max_count) + " sizes, not '" + words + "'");
    return sizes;
}

std::vector<Flag> join_flags(std::initializer_list<std::vector<Flag>> lists) {
    std::vector<Flag> joined;
    for (const std::vector<Flag>& flags : lists) joined.insert(joined.end(), flags.begin(), flags.end());
    return joined;
}

std::vector<Flag> without_flags(std::vector<Flag> flags, const std::vector<std::string>& names) {
    const auto is_named = [&](const Flag& flag) { return std::find(names.begin(), names.end(), flag.name) != names.end(); };
    flags.erase(std::remove_if(flags.begin(), flags.end(), is_named), flags.end());
    return flags;
}

std::vector<Flag> all_optional(std::vector<Flag> flags) {
    for (Flag& flag : flags) flag.required = false;
    return flags;
}

std::vector<Flag> with_prefix(std::vector<Flag> flags, const std::string& prefix) {
    for (Flag& flag : flags) flag.name = "--" + prefix + flag.name.substr(2);
    return flags;
}

std::string help_text(const Verb& verb) {
    std::string out =
        "nnrun " + verb.name + " [flags]" + (verb.positional.empty() ? "" : " " + verb.positional) + "\n\n" + verb.summary + "\n\n";
    for (const Flag& flag : verb.flags) {
        std::string left = "  " + flag.name + " " + flag.value;
        left.resize(std::max<std::size_t>(left.size() + 2, 34), ' ');
        out += left + flag.help + (flag.required ? " (required)" : "") + (flag.repeatable ? " (repeatable)" : "") + "\n";
    }
    return out;
}

}  // namespace nnrun
