#pragma once

#include <cstdint>
#include <vector>

#include "text/flat_file.h"

namespace nnrun {

// What is known of a character beside its category, which is in the five lowest bits. Of
// piyard/language/tokenizer/unicode_tables.py.
namespace unicode {
constexpr std::uint32_t rust_space = 1u << 8;
constexpr std::uint32_t rust_word = 1u << 9;
constexpr std::uint32_t nfc_inert = 1u << 10;
}  // namespace unicode

class CharacterFlags {
public:
    explicit CharacterFlags(const FlatFile& file)
        : index_(file.halves(FilePart::unicode_index)), blocks_(file.halves(FilePart::unicode_blocks)) {}
    std::uint32_t operator[](std::uint32_t code) const { return blocks_[std::size_t{index_[code >> 7]} << 7 | (code & 127)]; }

private:
    Halves index_;
    Halves blocks_;
};

// Characters that become others.
class Mapping {
public:
    // Three sections: sorted keys, where the values of each begin, values.
    Mapping(const FlatFile& file, FilePart first);
    // Appends what the character becomes; false when it stays as it is.
    bool append(std::uint32_t code, std::vector<std::uint32_t>& to) const;

private:
    Words keys_, offsets_, values_;
};

// Normal form C.
class Composer {
public:
    explicit Composer(const FlatFile& file);
    void compose(std::vector<std::uint32_t>& codes) const;

private:
    std::vector<std::uint32_t> decompose(const std::vector<std::uint32_t>& codes) const;
    void order(std::vector<std::uint32_t>& codes) const;
    std::uint32_t class_of(std::uint32_t code) const;
    std::uint32_t pair(std::uint32_t first, std::uint32_t second) const;

    Mapping decompositions_;
    Words compositions_;
    Words classes_;
};

}  // namespace nnrun
