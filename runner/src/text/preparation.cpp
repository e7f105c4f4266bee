#include "text/preparation.h"

#include <algorithm>

#include "text/utf8.h"

namespace nnrun {
namespace {

constexpr std::size_t row_width = 4;
enum NormalizerKind : std::uint32_t { nfc = 1, lower_case, replacing, prepending };
enum SplitKind : std::uint32_t { by_pattern = 1, metaspace, prefix_space };
enum Behavior : std::uint32_t { isolated, removed, merged_with_previous, merged_with_next, contiguous };
enum Scheme : std::uint32_t { never, first, always };

// What no tokenizer makes of a text; a broken one could fill the memory.
std::size_t longest(std::string_view text) { return 64 * text.size() + 65536; }

std::vector<std::uint32_t> codes_of(std::string_view text) {
    std::vector<std::uint32_t> codes;
    codes.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const Letter letter = letter_at(text, at);
        codes.push_back(letter.code);
        at += letter.size;
    }
    return codes;
}

std::string text_of(const std::vector<std::uint32_t>& codes) {
    std::string text;
    text.reserve(codes.size());
    for (const std::uint32_t code : codes) append_letter(text, code);
    return text;
}

// A match joins what is before it, unless that is one too.
std::vector<Stretch> merge_with_previous(const std::vector<Stretch>& ranges) {
    std::vector<Stretch> merged;
    bool was_match = false;
    for (const Stretch& range : ranges) {
        if (range.match && !was_match && !merged.empty())
            merged.back().end = range.end;
        else
            merged.push_back(range);
        was_match = range.match;
    }
    return merged;
}

std::vector<Stretch> merge_with_next(const std::vector<Stretch>& ranges) {
    std::vector<Stretch> merged;
    bool was_match = false;
    for (std::size_t i = ranges.size(); i-- > 0;) {
        if (ranges[i].match && !was_match && !merged.empty())
            merged.back().begin = ranges[i].begin;
        else
            merged.push_back(ranges[i]);
        was_match = ranges[i].match;
    }
    std::reverse(merged.begin(), merged.end());
    return merged;
}

std::vector<Stretch> join_alike(const std::vector<Stretch>& ranges) {
    std::vector<Stretch> joined;
    for (const Stretch& range : ranges) {
        if (!joined.empty() && joined.back().match == range.match)
            joined.back().end = range.end;
        else
            joined.push_back(range);
    }
    return joined;
}

std::vector<Stretch> arrange(std::vector<Stretch> ranges, std::uint32_t behavior) {
    switch (behavior) {
        case isolated:
            return ranges;
        case removed:
            ranges.erase(std::remove_if(ranges.begin(), ranges.end(), [](const Stretch& range) { return range.match; }), ranges.end());
            return ranges;
        case merged_with_previous:
            return merge_with_previous(ranges);
        case merged_with_next:
            return merge_with_next(ranges);
        case contiguous:
            return join_alike(ranges);
        default:
            fail_tokenizer("it cuts in an unknown way");
    }
}

}  // namespace

Preparation::Preparation(const FlatFile& file, const CharacterFlags& flags)
    : flags_(flags),
      patterns_(file, flags),
      strings_(file.texts(FilePart::string_offsets, FilePart::string_bytes)),
      normalizers_(file.words(FilePart::normalizers)),
      splits_(file.words(FilePart::pre_tokenizers)),
      composer_(file),
      lower_(file, FilePart::lower_keys) {}

std::string Preparation::normalize(std::string_view text) const {
    std::string normalized(text);
    for (std::size_t i = 0; i < normalizers_.size() / row_width; ++i) {
        const std::uint32_t* const row = normalizers_.row(i, row_width);
        if (row[0] == nfc)
            normalized = normal_form(std::move(normalized));
        else if (row[0] == lower_case)
            normalized = lower(normalized);
        else if (row[0] == replacing)
            normalized = replace(normalized, row[1], strings_[row[2]]);
        else if (row[0] != prepending)
            fail_tokenizer("it normalizes in an unknown way");
        else if (!normalized.empty())
            normalized.insert(0, strings_[row[1]]);
        if (normalized.size() > longest(text)) fail_tokenizer("it makes endless texts");
    }
    return normalized;
}

std::string Preparation::normal_form(std::string text) const {
    std::vector<std::uint32_t> codes = codes_of(text);
    if (std::all_of(codes.begin(), codes.end(), [&](std::uint32_t code) { return code < 128 || (flags_[code] & unicode::nfc_inert); }))
        return text;
    composer_.compose(codes);
    return text_of(codes);
}

std::string Preparation::lower(std::string_view text) const {
    std::vector<std::uint32_t> codes;
    for (const std::uint32_t code : codes_of(text)) {
        if (code >= 'A' && code <= 'Z')
            codes.push_back(code + 'a' - 'A');
        else if (code < 128 || !lower_.append(code, codes))
            codes.push_back(code);
    }
    return text_of(codes);
}

std::string Preparation::replace(std::string_view text, std::uint32_t pattern, std::string_view by) const {
    std::string replaced;
    replaced.reserve(text.size());
    for (const Stretch& range : patterns_.find_all(pattern, text))
        replaced += range.match ? by : text.substr(range.begin, range.end - range.begin);
    return replaced;
}

std::vector<std::string_view> Preparation::cut(std::string_view text, bool is_start, std::deque<std::string>& made) const {
    std::vector<std::string_view> pieces{text};
    for (std::size_t i = 0; i < splits_.size() / row_width; ++i) {
        const std::uint32_t* const row = splits_.row(i, row_width);
        std::vector<std::string_view> next;
        std::size_t size = 0;
        for (const std::string_view piece : pieces) {
            if (size > longest(text)) fail_tokenizer("it makes endless texts");
            if (row[0] == by_pattern) {
                split(piece, row, next);
            } else if (row[0] == metaspace) {
                next.push_back(mark_blanks(piece, row, is_start && piece.data() == text.data(), made));
            } else if (row[0] == prefix_space) {
                next.push_back(piece.substr(0, 1) == " " ? piece : std::string_view(made.emplace_back(" " + std::string(piece))));
            } else {
                fail_tokenizer("it cuts in an unknown way");
            }
            size += row[0] == by_pattern ? piece.size() : next.back().size();
        }
        pieces = std::move(next);
    }
    return pieces;
}

void Preparation::split(std::string_view piece, const std::uint32_t* row, std::vector<std::string_view>& to) const {
    std::vector<Stretch> ranges = patterns_.find_all(row[1], piece);
    if (row[3] != 0)
        for (Stretch& range : ranges) range.match = !range.match;
    for (const Stretch& range : arrange(std::move(ranges), row[2])) to.push_back(piece.substr(range.begin, range.end - range.begin));
}

std::string_view Preparation::mark_blanks(std::string_view piece, const std::uint32_t* row, bool is_start,
                                          std::deque<std::string>& made) const {
    const std::string_view mark = strings_[row[1]];
    std::string marked;
    for (const char letter : piece) {
        if (letter == ' ')
            marked += mark;
        else
            marked.push_back(letter);
    }
    const bool begins = row[2] == always || (row[2] == first && is_start);
    if (begins && marked.compare(0, mark.size(), mark) != 0) marked.insert(0, mark);
    return made.emplace_back(std::move(marked));
}

}  // namespace nnrun
