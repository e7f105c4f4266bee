#include "text/added.h"

#include <algorithm>

#include "text/utf8.h"

namespace nnrun {

Trie::Trie(const FlatFile& file, FilePart first)
    : nodes_(file.words(first)), edges_(file.bytes(after(first, 1))), targets_(file.words(after(first, 2))) {}

std::uint32_t Trie::next(std::uint32_t node, unsigned char byte) const {
    const std::uint32_t* const row = nodes_.row(node, 3);
    const std::size_t begin = row[0], end = begin + row[1];
    if (begin == end) return 0;
    if (end > edges_.size()) fail_tokenizer("a number in it points outside");
    const std::uint8_t* const found = std::lower_bound(edges_.begin() + begin, edges_.begin() + end, byte);
    if (found == edges_.begin() + end || *found != byte) return 0;
    return targets_[static_cast<std::size_t>(found - edges_.begin())];
}

std::optional<Trie::Found> Trie::longest(std::string_view text, std::size_t at) const {
    std::optional<Found> found;
    std::uint32_t node = 0;
    for (std::size_t end = at; end < text.size(); ++end) {
        node = next(node, static_cast<unsigned char>(text[end]));
        if (node == 0) break;
        if (const std::uint32_t known = value(node)) found = Found{end + 1 - at, known - 1};
    }
    return found;
}

std::vector<Segment> AddedTokens::split(std::string_view text) const {
    std::vector<Segment> segments;
    std::size_t gap = 0;
    if (!trie_.empty()) {
        for (std::size_t at = 0; at < text.size();) {
            const auto found = trie_.longest(text, at);
            if (!found) {
                ++at;
                continue;
            }
            std::size_t begin = at, end = at + found->size;
            at = end;
            const std::uint8_t flags = vocabulary_.flags(found->value);
            if ((flags & token::single_word) && !is_word(text, begin, end)) continue;
            if (flags & token::strips_left) begin = spaces_before(text, begin, gap);
            if (flags & token::strips_right) end = spaces_behind(text, end);
            if (gap < begin) segments.push_back({gap, begin, std::nullopt});
            segments.push_back({begin, end, found->value});
            gap = end;
            at = std::max(at, end);
        }
    }
    if (gap < text.size()) segments.push_back({gap, text.size(), std::nullopt});
    return segments;
}

// Whether no part of a word stands beside it.
bool AddedTokens::is_word(std::string_view text, std::size_t begin, std::size_t end) const {
    const auto is_part = [&](std::size_t at) { return (flags_[letter_at(text, at).code] & unicode::rust_word) != 0; };
    return (begin == 0 || !is_part(step_back(text, begin, 0))) && (end == text.size() || !is_part(end));
}

std::size_t AddedTokens::spaces_before(std::string_view text, std::size_t at, std::size_t low) const {
    while (at > low) {
        const std::size_t before = step_back(text, at, low);
        if (!(flags_[letter_at(text, before).code] & unicode::rust_space)) break;
        at = before;
    }
    return at;
}

std::size_t AddedTokens::spaces_behind(std::string_view text, std::size_t at) const {
    while (at < text.size()) {
        const Letter letter = letter_at(text, at);
        if (!(flags_[letter.code] & unicode::rust_space)) break;
        at += letter.size;
    }
    return at;
}

}  // namespace nnrun
