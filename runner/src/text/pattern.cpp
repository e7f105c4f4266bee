#include "text/pattern.h"

#include "text/utf8.h"

namespace nnrun {
namespace {

enum Op : std::uint32_t { op_match, op_one, op_run, op_split, op_jump, op_look };

constexpr std::size_t instruction_width = 4;
constexpr std::size_t set_width = 10;
constexpr int max_depth = 8;

void spend(std::size_t& budget) {
    if (budget-- == 0) throw Failure(Exit::input, "the tokenizer's pattern takes too long on this text");
}

}  // namespace

Patterns::Patterns(const FlatFile& file, const CharacterFlags& flags)
    : flags_(flags),
      instructions_(file.words(FilePart::instructions)),
      sets_(file.words(FilePart::sets)),
      ranges_(file.words(FilePart::ranges)),
      starts_(file.words(FilePart::patterns)) {}

bool Patterns::has(std::uint32_t set, std::uint32_t code) const {
    const std::uint32_t* const row = sets_.row(set, set_width);
    if (code < 128) return row[code >> 5] >> (code & 31) & 1;
    const std::uint32_t flags = flags_[code];
    const bool inside = (row[4] >> (flags & 31) & 1) || (row[5] & flags) || (row[6] & ~flags) || is_in_ranges(row, code);
    return inside != (row[7] != 0);
}

bool Patterns::is_in_ranges(const std::uint32_t* set, std::uint32_t code) const {
    for (std::uint32_t i = 0; i < set[9]; ++i) {
        const std::uint32_t* const range = ranges_.row(std::size_t{set[8]} + i, 2);
        if (code >= range[0] && code <= range[1]) return true;
    }
    return false;
}

std::vector<Stretch> Patterns::find_all(std::uint32_t pattern, std::string_view text) const {
    const std::uint32_t start = starts_[pattern];
    std::vector<Stretch> found;
    Attempt attempt{text, {}, 0, 0};
    std::size_t gap = 0;
    for (std::size_t at = 0; at < text.size();) {
        // Enough for each alternative to read the rest twice; a program that goes round in circles ends.
        attempt.budget = 4096 + 64 * (text.size() - at);
        const std::size_t end = run(start, at, attempt);
        if (end == failed || end == at) {
            at += letter_at(text, at).size;
            continue;
        }
        if (gap < at) found.push_back({gap, at, false});
        found.push_back({at, end, true});
        gap = at = end;
    }
    if (gap < text.size()) found.push_back({gap, text.size(), false});
    return found;
}

std::size_t Patterns::run(std::uint32_t step, std::size_t at, Attempt& attempt) const {
    const std::size_t base = attempt.ways.size();
    std::size_t end = run_way(step, at, attempt);
    while (end == failed && attempt.ways.size() > base) {
        Way& way = attempt.ways.back();
        const std::uint32_t next = way.step;
        const std::size_t from = way.at;
        if (way.at > way.low)
            way.at = step_back(attempt.text, way.at, way.low);
        else
            attempt.ways.pop_back();
        end = run_way(next, from, attempt);
    }
    attempt.ways.resize(base);
    return end;
}

// To the end, or to where it fails.
std::size_t Patterns::run_way(std::uint32_t step, std::size_t at, Attempt& attempt) const {
    for (;;) {
        spend(attempt.budget);
        const std::uint32_t* const instruction = instructions_.row(step, instruction_width);
        ++step;
        switch (instruction[0]) {
            case op_match:
                return at;
            case op_one: {
                if (at == attempt.text.size()) return failed;
                const Letter letter = letter_at(attempt.text, at);
                if (!has(instruction[1], letter.code)) return failed;
                at += letter.size;
                break;
            }
            case op_run:
                if (!take_run(instruction, step, at, attempt)) return failed;
                break;
            case op_split:
                attempt.ways.push_back({instruction[1], at, at});
                break;
            case op_jump:
                step = instruction[1];
                break;
            case op_look:
                if (!look(step, instruction[2] != 0, at, attempt)) return failed;
                step = instruction[1];
                break;
            default:
                fail_tokenizer("its pattern has an unknown instruction");
        }
    }
}

bool Patterns::take_run(const std::uint32_t* instruction, std::uint32_t next, std::size_t& at, Attempt& attempt) const {
    const std::uint32_t least = instruction[2], most = instruction[3];
    std::size_t low = at;
    std::uint32_t count = 0;
    while (at < attempt.text.size() && (most == 0 || count < most)) {
        const Letter letter = letter_at(attempt.text, at);
        if (!has(instruction[1], letter.code)) break;
        spend(attempt.budget);
        at += letter.size;
        if (++count <= least) low = at;
    }
    if (count < least) return false;
    if (at > low) attempt.ways.push_back({next, step_back(attempt.text, at, low), low});
    return true;
}

bool Patterns::look(std::uint32_t step, bool negated, std::size_t at, Attempt& attempt) const {
    if (++attempt.depth > max_depth) fail_tokenizer("its pattern looks ahead within itself");
    const bool follows = run(step, at, attempt) != failed;
    --attempt.depth;
    return follows != negated;
}

}  // namespace nnrun
