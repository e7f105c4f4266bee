#pragma once

#include <optional>
#include <string>
#include <vector>

namespace nnrun {

std::vector<std::string> split(const std::string& text, char separator);
std::vector<std::string> words(const std::string& text);
// Of a text file, whatever ends its lines; nothing follows the last end.
std::vector<std::string> lines_of(const std::string& text);
// Those that are not blank.
std::vector<std::string> nonblank_lines(const std::string& text);
std::string join(const std::vector<std::string>& parts, const std::string& separator);

// Control characters in a file name must not break a one-line message, or drive a terminal.
std::string printable(std::string line);

// Each accepts the whole text or nothing: "8x" is not 8.
std::optional<long long> parse_integer(const std::string& text);
std::optional<unsigned long long> parse_unsigned(const std::string& text);
std::optional<double> parse_number(const std::string& text);

// The candidate that a mistyped word most likely meant, or "" when none is close.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace nnrun
