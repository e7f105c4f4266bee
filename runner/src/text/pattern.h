#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/flat_file.h"
#include "text/unicode.h"

namespace nnrun {

struct Stretch {
    std::size_t begin = 0, end = 0;
    bool match = false;
};

// Regular expressions that piyard/language/tokenizer/pattern_program.py translated.
class Patterns {
public:
    Patterns(const FlatFile& file, const CharacterFlags& flags);

    // All of the text: what the pattern matches, from the left, and what lies between.
    std::vector<Stretch> find_all(std::uint32_t pattern, std::string_view text) const;

private:
    // Where to go on when a way turns out wrong: `at` moves back to `low` a character at a time.
    struct Way {
        std::uint32_t step;
        std::size_t at, low;
    };
    struct Attempt {
        std::string_view text;
        std::vector<Way> ways;
        std::size_t budget = 0;
        int depth = 0;
    };
    static constexpr std::size_t failed = static_cast<std::size_t>(-1);

    bool has(std::uint32_t set, std::uint32_t code) const;
    bool is_in_ranges(const std::uint32_t* set, std::uint32_t code) const;
    std::size_t run(std::uint32_t step, std::size_t at, Attempt& attempt) const;
    std::size_t run_way(std::uint32_t step, std::size_t at, Attempt& attempt) const;
    bool take_run(const std::uint32_t* instruction, std::uint32_t next, std::size_t& at, Attempt& attempt) const;
    bool look(std::uint32_t step, bool negated, std::size_t at, Attempt& attempt) const;

    const CharacterFlags& flags_;
    Words instructions_, sets_, ranges_, starts_;
};

}  // namespace nnrun
