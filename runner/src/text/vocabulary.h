#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "text/flat_file.h"

namespace nnrun {

// Of piyard/language/tokenizer/vocabulary.py.
namespace token {
constexpr std::uint8_t present = 1, special = 2, byte = 4, added = 8, single_word = 16, strips_left = 32, strips_right = 64;
}  // namespace token

// What two neighbours become.
struct Merge {
    std::uint32_t rank, id;
};

// The tokens and merges, looked up where they lie in the file.
class Vocabulary {
public:
    explicit Vocabulary(const FlatFile& file);

    std::size_t size() const { return flags_.size(); }
    // 0 for an id that is no token.
    std::uint8_t flags(std::uint32_t id) const { return id < flags_.size() ? flags_[id] : std::uint8_t{0}; }
    // What is found in a text; of an added token, what it is called.
    std::string_view text(std::uint32_t id) const { return texts_[id]; }
    // What it adds to a text.
    std::string_view piece(std::uint32_t id) const { return pieces_[id]; }
    std::optional<std::uint32_t> find(std::string_view text) const;
    std::optional<Merge> merge(std::uint32_t left, std::uint32_t right) const;

private:
    Texts texts_, pieces_;
    Bytes flags_;
    Words token_buckets_, token_ids_, merge_buckets_, merges_;
};

}  // namespace nnrun
