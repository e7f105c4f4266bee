#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "net/model.h"

namespace nnrun {

// Rows of tokens and of positions, fp16, in a mapped file (piyard/convert/text_encoder.py). A file that is no
// such table is a Failure with Exit::model.
class TokenTable {
public:
    explicit TokenTable(const std::string& path);

    std::size_t vocabulary() const { return vocabulary_; }
    std::size_t context() const { return context_; }
    std::size_t width() const { return width_; }
    // The row of a token at a position, as floats.
    void put(std::uint32_t token, std::size_t position, float* to) const;

private:
    const unsigned short* row(std::size_t number) const;

    MappedFile file_;
    std::size_t vocabulary_ = 0, context_ = 0, width_ = 0;
};

// How a text's tokens begin and end.
struct TextSettings {
    long long start = -1;     // the first token; -1: none
    std::uint32_t end = 0;    // the last one, whose embedding is the text's
    std::size_t context = 0;  // the most tokens
    bool filled = false;      // up to that by further ends
};

class Tokenizer;

// A tokenizer, mapped.
class TextTokens {
public:
    explicit TextTokens(const std::string& path);
    ~TextTokens();
    TextTokens(const TextTokens&) = delete;
    TextTokens& operator=(const TextTokens&) = delete;

    std::vector<std::uint32_t> operator()(const std::string& text) const;

private:
    std::unique_ptr<Tokenizer> tokenizer_;
};

// The ids with those at the ends. A text that does not fit is a Failure with Exit::input, as `text` is called.
std::vector<std::uint32_t> with_ends(const std::vector<std::uint32_t>& ids, const TextSettings& settings, const std::string& text);

// From tokens to the embedding at the last one. The net takes their rows, and, where it has a second input, what
// is added to attention's scores so that a token sees only those before it.
class TextEncoder {
public:
    TextEncoder(const Model& model, const TokenTable& table) : model_(model), table_(table) {}

    std::vector<float> operator()(const std::vector<std::uint32_t>& tokens) const;

private:
    const Model& model_;
    const TokenTable& table_;
};

// The net's inputs for so many tokens.
std::vector<std::vector<int>> text_shapes(std::size_t inputs, std::size_t tokens, std::size_t width);

}  // namespace nnrun
