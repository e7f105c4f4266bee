#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace nnrun {

struct Flag {
    std::string name;   // with its dashes: "--loops"
    std::string value;  // how help names the value: "N"; "" for a switch, which takes none
    std::string help;
    bool required = false;
    bool repeatable = false;
};

struct Verb {
    std::string name;
    std::string summary;
    std::string positional;  // "" when the verb takes none
    std::vector<Flag> flags;
};

// The command line of one verb. Every mistake is a Failure with Exit::usage.
class Args {
public:
    Args(const Verb& verb, const std::vector<std::string>& line);

    // The same line, where each flag is looked up with a prefix: "--param" finds "--detector-param"
    // under "detector-".
    Args under(const std::string& prefix) const;
    // The flag as it stands on the line.
    std::string name(const std::string& flag) const { return prefix_.empty() ? flag : "--" + prefix_ + flag.substr(2); }

    const std::string& verb() const { return verb_.name; }
    bool wants_help() const { return help_; }
    bool has(const std::string& flag) const { return values_.count(name(flag)) != 0; }
    const std::vector<std::string>& positional() const { return positional_; }

    std::string text(const std::string& flag, const std::string& fallback = "") const;
    std::vector<std::string> texts(const std::string& flag) const;
    int integer(const std::string& flag, int low, int high, int fallback) const;
    double number(const std::string& flag, double low, double high, double fallback) const;
    unsigned long long seed(const std::string& flag, unsigned long long fallback) const;
    std::string choice(const std::string& flag, const std::vector<std::string>& legal, const std::string& fallback) const;
    std::vector<float> floats(const std::string& flag, std::size_t count, float fallback) const;
    // Whole numbers from 1 up, at least `min_count` and at most `max_count` of them.
    std::vector<int> sizes(const std::string& flag, char separator, std::size_t min_count, std::size_t max_count) const;

    // Of a flag that may be repeated.
    std::vector<std::vector<int>> all_sizes(const std::string& flag, char separator, std::size_t min_count, std::size_t max_count) const;

    [[noreturn]] void reject(const std::string& problem) const;

private:
    std::vector<int> read_sizes(const std::string& flag, const std::string& words, char separator, std::size_t min_count,
                                std::size_t max_count) const;
    std::size_t read_flag(const std::vector<std::string>& line, std::size_t at);
    const Flag& find(const std::string& name) const;
    void check_required() const;

    Verb verb_;
    bool help_ = false;
    std::string prefix_;
    std::map<std::string, std::vector<std::string>> values_;
    std::vector<std::string> positional_;
};

std::string help_text(const Verb& verb);

// The flags of each list, in that order.
std::vector<Flag> join_flags(std::initializer_list<std::vector<Flag>> lists);

std::vector<Flag> without_flags(std::vector<Flag> flags, const std::vector<std::string>& names);

std::vector<Flag> all_optional(std::vector<Flag> flags);

// The same flags for a second net.
std::vector<Flag> with_prefix(std::vector<Flag> flags, const std::string& prefix);

}  // namespace nnrun
