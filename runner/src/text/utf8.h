#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nnrun {

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

struct Letter {
    std::uint32_t code = 0;
    std::size_t size = 1;  // in bytes, never beyond the text's end
};

// The character at a place within the text. Of bytes that are not UTF-8 some number, not a crash.
Letter letter_at(std::string_view text, std::size_t at);
// Where the character before a place begins; at least at `low`.
std::size_t step_back(std::string_view text, std::size_t at, std::size_t low);

void append_letter(std::string& text, std::uint32_t code);

// Bytes of the well-formed character at a place. 0: none begins there; `incomplete` says whether one would
// if the text went on, and `bad` how many bytes one U+FFFD stands for (Unicode 3.9, "maximal subpart").
struct Sequence {
    std::size_t size = 0;
    std::size_t bad = 1;
    bool incomplete = false;
};
Sequence sequence_at(std::string_view text, std::size_t at);

bool is_utf8(std::string_view text);
// What is not UTF-8 becomes U+FFFD, as bytes.decode(errors="replace") does it.
std::string repair_utf8(std::string_view text);
// Moves the text that is complete out of `pending`, repaired; the beginning of a character stays.
std::string take_complete(std::string& pending);

}  // namespace nnrun
