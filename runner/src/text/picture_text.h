#pragma once

#include <cstddef>
#include <string_view>

#include "text/tokenizer.h"

namespace nnrun {

// How a picture stands in a text, as piyard/language/tokenizer/compiling.py wrote it: a token for each of its rows.
struct PictureText {
    std::uint32_t token = 0;
    std::size_t rows = 0;
    std::string_view alone;
    // In a chat, all that stands before the first user's words: without what the system said, and behind it. Empty
    // where the model has no chat template.
    std::string_view start_user;
    std::string_view system_user;
};

// The tokenizer must outlive it. One of a model that sees no pictures is a Failure with Exit::model.
PictureText picture_text(const Tokenizer& tokenizer);

}  // namespace nnrun
