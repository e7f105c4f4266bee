#pragma once

#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace nnrun {

// The text of ids as they come. The beginning of a character waits for the rest of it.
class TextStream {
public:
    // Tokens that stand for a byte, where such a run is not UTF-8: as a whole each of its bytes becomes U+FFFD,
    // which the tokenizers package does; else only those behind the last character that was complete.
    enum class Runs { streamed, whole };

    TextStream(const Tokenizer& tokenizer, Tokenizer::Special special, Runs runs = Runs::streamed)
        : tokenizer_(tokenizer), special_(special), runs_(runs), blanks_(tokenizer.decoder().first_blanks) {}

    // What can be shown now; it may be nothing.
    std::string add(std::uint32_t id);
    // What waits still: no more ids come.
    std::string finish();

private:
    std::string add_text(std::string piece);
    std::string add_byte(std::string_view byte);
    std::string end_run();
    std::string strip(std::string text);

    const Tokenizer& tokenizer_;
    Tokenizer::Special special_;
    Runs runs_;
    std::string pending_;
    std::uint32_t blanks_;
    bool is_first_ = true;
};

}  // namespace nnrun
