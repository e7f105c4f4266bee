#include "text/text_stream.h"

#include <algorithm>

#include "text/utf8.h"

namespace nnrun {

std::string TextStream::add(std::uint32_t id) {
    const Vocabulary& vocabulary = tokenizer_.vocabulary();
    const std::uint8_t flags = vocabulary.flags(id);
    if (!(flags & token::present)) return "";
    if ((flags & token::special) && special_ == Tokenizer::Special::skipped) return "";
    const std::string_view piece = vocabulary.piece(id);
    const bool was_first = is_first_;
    is_first_ = false;
    if (tokenizer_.decoder().bytes) {
        pending_ += piece;
        return take_complete(pending_);
    }
    if (flags & token::byte) return add_byte(piece);
    std::string text(piece);
    if (was_first && tokenizer_.decoder().clears_first) text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    return add_text(std::move(text));
}

std::string TextStream::add_text(std::string piece) {
    std::string text = end_run();
    return text + strip(std::move(piece));
}

std::string TextStream::add_byte(std::string_view byte) {
    pending_ += byte;
    if (runs_ == Runs::whole) return "";
    std::size_t end = 0;
    while (end < pending_.size()) {
        const std::size_t size = sequence_at(pending_, end).size;
        if (size == 0) break;
        end += size;
    }
    std::string complete = pending_.substr(0, end);
    pending_.erase(0, end);
    return strip(std::move(complete));
}

std::string TextStream::end_run() {
    std::string text;
    if (is_utf8(pending_))
        text = pending_;
    else
        for (std::size_t i = 0; i < pending_.size(); ++i) text += replacement_character;
    pending_.clear();
    return strip(std::move(text));
}

std::string TextStream::strip(std::string text) {
    std::size_t count = 0;
    while (count < text.size() && blanks_ > 0 && text[count] == ' ') {
        ++count;
        --blanks_;
    }
    text.erase(0, count);
    if (!text.empty()) blanks_ = 0;
    return text;
}

std::string TextStream::finish() {
    if (!tokenizer_.decoder().bytes) return end_run();
    std::string text = repair_utf8(pending_);
    pending_.clear();
    return text;
}

}  // namespace nnrun
