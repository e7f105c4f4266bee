#include "language/text_encoder.h"

#include <mat.h>

#include <array>
#include <cstring>

#include "core/failure.h"
#include "core/text.h"
#include "net/tensor.h"
#include "text/tokenizer.h"

namespace nnrun {
namespace {

constexpr char mark[] = "piyardEm";
constexpr std::size_t mark_size = sizeof mark - 1;
constexpr std::size_t head_size = 64;
constexpr std::uint32_t version = 1;
constexpr float masked = -10000.0f;  // fits into fp16, and its exponential is 0
constexpr std::size_t shown = 40;    // bytes of a text in a message

std::uint32_t number_at(const unsigned char* bytes) {
    return static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 | static_cast<std::uint32_t>(bytes[2]) << 16 |
           static_cast<std::uint32_t>(bytes[3]) << 24;
}

ncnn::Mat causal_mask(int tokens) {
    ncnn::Mat mask(tokens, tokens);
    for (int y = 0; y < tokens; ++y)
        for (int x = 0; x < tokens; ++x) mask.row(y)[x] = x > y ? masked : 0.0f;
    return mask;
}

}  // namespace

TokenTable::TokenTable(const std::string& path) : file_(path, Exit::model) {
    const unsigned char* head = file_.bytes();
    if (file_.size() < head_size || std::memcmp(head, mark, mark_size) != 0 || number_at(head + mark_size) != version)
        throw Failure(Exit::model, path + ": not a token table that this nnrun can read; convert the model again");
    vocabulary_ = number_at(head + mark_size + 4);
    context_ = number_at(head + mark_size + 8);
    width_ = number_at(head + mark_size + 12);
    const std::size_t halves = (file_.size() - head_size) / sizeof(unsigned short);
    const std::size_t rows = vocabulary_ + context_;
    if (vocabulary_ == 0 || context_ == 0 || width_ == 0 || halves / width_ != rows || rows * width_ != halves)
        throw Failure(Exit::model, path + ": its size is not what its header says; convert the model again");
}

const unsigned short* TokenTable::row(std::size_t number) const {
    return reinterpret_cast<const unsigned short*>(file_.bytes() + head_size) + number * width_;
}

void TokenTable::put(std::uint32_t token, std::size_t position, float* to) const {
    if (token >= vocabulary_)
        throw Failure(Exit::model, "the tokenizer makes token " + std::to_string(token) + ", and the table has " +
                                       std::to_string(vocabulary_) + " tokens; they belong to different models");
    const unsigned short* word = row(token);
    const unsigned short* place = row(vocabulary_ + position);
    for (std::size_t i = 0; i < width_; ++i) to[i] = ncnn::float16_to_float32(word[i]) + ncnn::float16_to_float32(place[i]);
}

TextTokens::TextTokens(const std::string& path) : tokenizer_(std::make_unique<Tokenizer>(path)) {}

TextTokens::~TextTokens() = default;

std::vector<std::uint32_t> TextTokens::operator()(const std::string& text) const { return tokenizer_->encode(text, Tokenizer::Ends::none); }

std::vector<std::uint32_t> with_ends(const std::vector<std::uint32_t>& ids, const TextSettings& settings, const std::string& text) {
    std::vector<std::uint32_t> tokens;
    if (settings.start >= 0) tokens.push_back(static_cast<std::uint32_t>(settings.start));
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    tokens.push_back(settings.end);
    if (tokens.size() > settings.context)
        throw Failure(Exit::input, "'" + printable(text.substr(0, shown)) + "' has " + std::to_string(tokens.size()) +
                                       " tokens with those at its ends, and the limit is " + std::to_string(settings.context) +
                                       "; shorten it");
    if (settings.filled) tokens.resize(settings.context, settings.end);
    return tokens;
}

std::vector<std::vector<int>> text_shapes(std::size_t inputs, std::size_t tokens, std::size_t width) {
    const int count = static_cast<int>(tokens);
    std::vector<std::vector<int>> shapes{{count, static_cast<int>(width)}};
    if (inputs > 1) shapes.push_back({count, count});
    return shapes;
}

std::vector<float> TextEncoder::operator()(const std::vector<std::uint32_t>& tokens) const {
    const int count = static_cast<int>(tokens.size());
    if (tokens.empty() || tokens.size() > table_.context()) throw Failure(Exit::input, "a text has no tokens, or too many");
    std::array<ncnn::Mat, 2> inputs;
    inputs[0].create(static_cast<int>(table_.width()), count);
    for (int i = 0; i < count; ++i) table_.put(tokens[static_cast<std::size_t>(i)], static_cast<std::size_t>(i), inputs[0].row(i));
    if (model_.inputs().size() > 1) inputs[1] = causal_mask(count);
    std::vector<ncnn::Mat> outputs(model_.outputs().size());
    model_.run(inputs.data(), outputs);
    const std::vector<float> values = flat(outputs.front());
    const std::size_t length = values.size() / tokens.size();
    return {values.end() - static_cast<std::ptrdiff_t>(length), values.end()};
}

}  // namespace nnrun
