#include "text/unicode.h"

#include <algorithm>

namespace nnrun {
namespace {

// Hangul's syllables are computed: Unicode 3.12.
constexpr std::uint32_t s_base = 0xAC00, l_base = 0x1100, v_base = 0x1161, t_base = 0x11A7;
constexpr std::uint32_t l_count = 19, v_count = 21, t_count = 28, s_count = l_count * v_count * t_count;

bool decompose_hangul(std::uint32_t code, std::vector<std::uint32_t>& to) {
    if (code < s_base || code >= s_base + s_count) return false;
    const std::uint32_t index = code - s_base;
    to.push_back(l_base + index / (v_count * t_count));
    to.push_back(v_base + index / t_count % v_count);
    if (index % t_count != 0) to.push_back(t_base + index % t_count);
    return true;
}

std::uint32_t compose_hangul(std::uint32_t first, std::uint32_t second) {
    if (first >= l_base && first < l_base + l_count && second >= v_base && second < v_base + v_count)
        return s_base + ((first - l_base) * v_count + second - v_base) * t_count;
    const bool open = first >= s_base && first < s_base + s_count && (first - s_base) % t_count == 0;
    return open && second > t_base && second < t_base + t_count ? first + second - t_base : 0;
}

// The row of a sorted table whose first values are these; its number, or that of the table's end.
std::size_t find_row(Words table, std::size_t width, std::uint32_t first, const std::uint32_t* second) {
    std::size_t low = 0;
    const std::size_t count = table.size() / width;
    for (std::size_t high = count; low < high;) {
        const std::size_t middle = (low + high) / 2;
        const std::uint32_t* row = table.row(middle, width);
        const bool before = row[0] != first ? row[0] < first : second && row[1] < *second;
        (before ? low : high) = before ? middle + 1 : middle;
    }
    if (low == count) return count;
    const std::uint32_t* row = table.row(low, width);
    return row[0] == first && (!second || row[1] == *second) ? low : count;
}

}  // namespace

Mapping::Mapping(const FlatFile& file, FilePart first)
    : keys_(file.words(first)), offsets_(file.words(after(first, 1))), values_(file.words(after(first, 2))) {}

bool Mapping::append(std::uint32_t code, std::vector<std::uint32_t>& to) const {
    const std::uint32_t* const key = std::lower_bound(keys_.begin(), keys_.end(), code);
    if (key == keys_.end() || *key != code) return false;
    const auto at = static_cast<std::size_t>(key - keys_.begin());
    const std::uint32_t end = offsets_[at + 1];
    for (std::uint32_t i = offsets_[at]; i < end; ++i) to.push_back(values_[i]);
    return true;
}

Composer::Composer(const FlatFile& file)
    : decompositions_(file, FilePart::decomposition_keys),
      compositions_(file.words(FilePart::compositions)),
      classes_(file.words(FilePart::classes)) {}

std::vector<std::uint32_t> Composer::decompose(const std::vector<std::uint32_t>& codes) const {
    std::vector<std::uint32_t> all;
    all.reserve(codes.size() + codes.size() / 2);
    for (const std::uint32_t code : codes)
        if (!decompose_hangul(code, all) && !decompositions_.append(code, all)) all.push_back(code);
    return all;
}

std::uint32_t Composer::class_of(std::uint32_t code) const {
    const std::size_t row = find_row(classes_, 2, code, nullptr);
    return row == classes_.size() / 2 ? 0 : classes_.row(row, 2)[1];
}

std::uint32_t Composer::pair(std::uint32_t first, std::uint32_t second) const {
    if (const std::uint32_t syllable = compose_hangul(first, second)) return syllable;
    const std::size_t row = find_row(compositions_, 3, first, &second);
    return row == compositions_.size() / 3 ? 0 : compositions_.row(row, 3)[2];
}

// Marks between two characters of class 0 are sorted by their class.
void Composer::order(std::vector<std::uint32_t>& codes) const {
    for (std::size_t begin = 0; begin < codes.size(); ++begin) {
        if (class_of(codes[begin]) == 0) continue;
        std::vector<std::pair<std::uint32_t, std::uint32_t>> marks;
        for (std::size_t at = begin; at < codes.size(); ++at) {
            const std::uint32_t order = class_of(codes[at]);
            if (order == 0) break;
            marks.emplace_back(order, codes[at]);
        }
        std::stable_sort(marks.begin(), marks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        for (std::size_t i = 0; i < marks.size(); ++i) codes[begin + i] = marks[i].second;
        begin += marks.size();
    }
}

void Composer::compose(std::vector<std::uint32_t>& codes) const {
    std::vector<std::uint32_t> all = decompose(codes);
    order(all);
    codes.clear();
    constexpr std::size_t none = static_cast<std::size_t>(-1);
    std::size_t starter = none;
    std::uint32_t last = 0;  // the class of the character before, as far as it stands between
    for (const std::uint32_t code : all) {
        const std::uint32_t order = class_of(code);
        const bool adjacent = starter != none && starter + 1 == codes.size();
        if (starter != none && (adjacent || (last != 0 && last < order))) {
            if (const std::uint32_t composed = pair(codes[starter], code)) {
                codes[starter] = composed;
                continue;
            }
        }
        if (order == 0) starter = codes.size();
        last = order;
        codes.push_back(code);
    }
}

}  // namespace nnrun
