#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "text/flat_file.h"
#include "text/unicode.h"
#include "text/vocabulary.h"

namespace nnrun {

// Byte strings with a value each, in three sections.
class Trie {
public:
    Trie(const FlatFile& file, FilePart first);

    struct Found {
        std::size_t size;
        std::uint32_t value;
    };
    // The longest that begins there.
    std::optional<Found> longest(std::string_view text, std::size_t at) const;
    // The node behind a byte; 0, the root, for none.
    std::uint32_t next(std::uint32_t node, unsigned char byte) const;
    // Its value + 1; 0 for none.
    std::uint32_t value(std::uint32_t node) const { return nodes_.row(node, 3)[2]; }
    bool empty() const { return edges_.empty(); }

private:
    Words nodes_;
    Bytes edges_;
    Words targets_;
};

// A part of a text: an added token, or what lies between.
struct Segment {
    std::size_t begin = 0, end = 0;
    std::optional<std::uint32_t> token;
};

// Cuts a text at tokens that stand in it as they are.
class AddedTokens {
public:
    AddedTokens(const FlatFile& file, FilePart first, const Vocabulary& vocabulary, const CharacterFlags& flags)
        : trie_(file, first), vocabulary_(vocabulary), flags_(flags) {}

    std::vector<Segment> split(std::string_view text) const;

private:
    bool is_word(std::string_view text, std::size_t begin, std::size_t end) const;
    std::size_t spaces_before(std::string_view text, std::size_t at, std::size_t low) const;
    std::size_t spaces_behind(std::string_view text, std::size_t at) const;

    Trie trie_;
    const Vocabulary& vocabulary_;
    const CharacterFlags& flags_;
};

}  // namespace nnrun
