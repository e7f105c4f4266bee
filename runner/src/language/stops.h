#pragma once

#include <string>
#include <vector>

namespace nnrun {

// Ends a text before the first of some strings, wherever tokens begin and end in it. What may still become
// one of them is held back until it is decided.
class Stops {
public:
    explicit Stops(std::vector<std::string> strings) : strings_(std::move(strings)) {}

    // The text that may be shown now.
    std::string add(const std::string& piece);
    // The text that was held back, when nothing follows it.
    std::string finish();
    // The string that ended the text, or "".
    const std::string& met() const { return met_; }

private:
    std::size_t held_size() const;

    std::vector<std::string> strings_;
    std::string held_;
    std::string met_;
};

}  // namespace nnrun
