#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added.h"
#include "text/bpe.h"
#include "text/flat_file.h"
#include "text/preparation.h"
#include "text/unicode.h"
#include "text/vocabulary.h"

namespace nnrun {

// How pieces become a text, as piyard/language/tokenizer/decoding.py found out.
struct DecoderSettings {
    bool bytes = false;              // pieces are bytes; else texts, but those of tokens that stand for a byte
    std::uint32_t first_blanks = 0;  // blanks that are taken from the start of a text
    bool clears_first = false;       // the first token loses all of its blanks
};

// Text to ids and back, as Hugging Face's tokenizers computes it. Its file is mapped into memory.
class Tokenizer {
public:
    explicit Tokenizer(const std::string& path);
    // Bytes that live longer than this.
    explicit Tokenizer(std::string_view bytes);

    enum class Ends { none, special };  // whether the ids that begin and end a text are added
    // What is not UTF-8 becomes U+FFFD first.
    std::vector<std::uint32_t> encode(std::string_view text, Ends ends) const;

    enum class Special { shown, skipped };
    // Numbers that are no ids add nothing.
    std::string decode(const std::vector<std::uint32_t>& ids, Special special) const;

    const Vocabulary& vocabulary() const { return vocabulary_; }
    const DecoderSettings& decoder() const { return decoder_; }
    const CharacterFlags& characters() const { return flags_; }
    // The ids that a model ends its text with; perhaps none.
    std::vector<std::uint32_t> stops() const;
    const FlatFile& file() const { return *file_; }

private:
    explicit Tokenizer(std::unique_ptr<FlatFile> file);
    void encode_valid(std::string_view text, std::vector<std::uint32_t>& ids) const;

    std::unique_ptr<FlatFile> file_;
    CharacterFlags flags_;
    Vocabulary vocabulary_;
    Preparation preparation_;
    AddedTokens raw_, normalized_;
    DecoderSettings decoder_;
    Words prefix_, suffix_;
    std::optional<Bpe> bpe_;
};

}  // namespace nnrun
