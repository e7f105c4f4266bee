#include "language/spoken.h"

#include <algorithm>

namespace nnrun {

Spoken::Spoken(const Tokenizer* tokenizer, std::vector<std::string> stops) : stops_(std::move(stops)) {
    if (tokenizer != nullptr) stream_.emplace(*tokenizer, Tokenizer::Special::skipped);
}

std::string Spoken::add(int token) { return stream_ ? show(stops_.add(stream_->add(static_cast<std::uint32_t>(token)))) : ""; }

std::string Spoken::finish() {
    if (!stream_ || has_stopped()) return "";
    const std::string rest = stops_.add(stream_->finish());
    return show(has_stopped() ? rest : rest + stops_.finish());
}

std::string Spoken::show(std::string text) {
    text_ += text;
    return text;
}

std::vector<std::string> pieces_of(const Tokenizer& tokenizer, std::size_t size) {
    const Vocabulary& vocabulary = tokenizer.vocabulary();
    std::vector<std::string> pieces(size);
    for (std::size_t id = 0; id < std::min(size, vocabulary.size()); ++id) {
        const std::uint8_t flags = vocabulary.flags(static_cast<std::uint32_t>(id));
        if ((flags & token::present) != 0 && (flags & token::special) == 0) pieces[id] = vocabulary.piece(static_cast<std::uint32_t>(id));
    }
    return pieces;
}

}  // namespace nnrun
