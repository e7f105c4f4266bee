#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace nnrun {

// Byte-pair encoding: characters, or bytes, whose neighbours merge in the order of the merges' ranks.
struct BpeSettings {
    bool byte_level = false;
    bool ignore_merges = false;  // a piece that is a token is that one
    bool byte_fallback = false;
    bool fuse_unknown = false;
    std::uint32_t unknown = 0;        // its id + 1; 0: what is unknown is left out
    std::string_view prefix, suffix;  // of characters within a word, and of its last
};

class Bpe {
public:
    Bpe(const FlatFile& file, const Vocabulary& vocabulary, const BpeSettings& settings);
    // Appends the ids of a piece.
    void encode(std::string_view piece, std::vector<std::uint32_t>& ids) const;

private:
    struct Symbol {
        std::uint32_t id;
        std::uint32_t previous, next;  // of the neighbours that are left
        bool merged;                   // into the one before it
    };

    std::vector<Symbol> symbols_of(std::string_view piece) const;
    std::vector<std::uint32_t> bytes_of(std::string_view piece) const;
    std::vector<std::uint32_t> letters_of(std::string_view piece) const;
    std::optional<std::uint32_t> find_letter(std::string_view letter, bool first, bool last) const;
    bool add_fallback(std::string_view letter, std::vector<std::uint32_t>& ids) const;
    void merge_all(std::vector<Symbol>& symbols) const;

    const Vocabulary& vocabulary_;
    BpeSettings settings_;
    Words symbols_, fallback_;
};

}  // namespace nnrun
