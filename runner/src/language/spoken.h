#pragma once

#include <optional>
#include <string>
#include <vector>

#include "language/stops.h"
#include "text/text_stream.h"

namespace nnrun {

// An answer as people read it: tokens become text as they come, up to a stop string.
class Spoken {
public:
    // Without a tokenizer, which must outlive it, there is no text.
    Spoken(const Tokenizer* tokenizer, std::vector<std::string> stops);

    // What can be shown now; it may be nothing.
    std::string add(int token);
    // What was held back until nothing followed it.
    std::string finish();
    bool has_stopped() const { return !stops_.met().empty(); }
    const std::string& stop() const { return stops_.met(); }
    // All that was shown.
    const std::string& text() const { return text_; }

private:
    std::string show(std::string text);

    std::optional<TextStream> stream_;
    Stops stops_;
    std::string text_;
};

// The bytes of each token of a vocabulary of that size, as a constraint needs them: none of special ones.
std::vector<std::string> pieces_of(const Tokenizer& tokenizer, std::size_t size);

}  // namespace nnrun
