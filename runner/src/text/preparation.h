#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/flat_file.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace nnrun {

// What happens to a text before the model sees it, as piyard/language/tokenizer/stages.py wrote it down.
class Preparation {
public:
    Preparation(const FlatFile& file, const CharacterFlags& flags);

    std::string normalize(std::string_view text) const;
    // The pieces of a normalized text; strings that had to be made are kept in `made`.
    std::vector<std::string_view> cut(std::string_view text, bool is_start, std::deque<std::string>& made) const;

private:
    std::string normal_form(std::string text) const;
    std::string lower(std::string_view text) const;
    std::string replace(std::string_view text, std::uint32_t pattern, std::string_view by) const;
    void split(std::string_view piece, const std::uint32_t* row, std::vector<std::string_view>& to) const;
    std::string_view mark_blanks(std::string_view piece, const std::uint32_t* row, bool is_start, std::deque<std::string>& made) const;

    const CharacterFlags& flags_;
    Patterns patterns_;
    Texts strings_;
    Words normalizers_, splits_;
    Composer composer_;
    Mapping lower_;
};

}  // namespace nnrun
