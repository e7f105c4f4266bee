#include "text/tokenizer.h"

#include "text/text_stream.h"
#include "text/utf8.h"

namespace nnrun {
namespace {

// In the order of piyard/language/tokenizer/compiling.py.
enum Setting : std::size_t {
    byte_level,
    ignore_merges,
    byte_fallback,
    fuse_unknown,
    unknown,
    word_prefix,
    word_suffix,
    decoder_kind,
    first_blanks,
    clears_first,
};

std::string_view string_of(const FlatFile& file, std::uint32_t number) {
    if (number == 0) return "";
    return file.texts(FilePart::string_offsets, FilePart::string_bytes)[number - 1];
}

BpeSettings read_bpe(const FlatFile& file) {
    const Words settings = file.words(FilePart::settings);
    BpeSettings bpe;
    bpe.byte_level = settings[byte_level] != 0;
    bpe.ignore_merges = settings[ignore_merges] != 0;
    bpe.byte_fallback = settings[byte_fallback] != 0;
    bpe.fuse_unknown = settings[fuse_unknown] != 0;
    bpe.unknown = settings[unknown];
    bpe.prefix = string_of(file, settings[word_prefix]);
    bpe.suffix = string_of(file, settings[word_suffix]);
    return bpe;
}

DecoderSettings read_decoder(const FlatFile& file) {
    const Words settings = file.words(FilePart::settings);
    return {settings[decoder_kind] != 0, settings[first_blanks], settings[clears_first] != 0};
}

}  // namespace

Tokenizer::Tokenizer(const std::string& path) : Tokenizer(std::make_unique<FlatFile>(path)) {}

Tokenizer::Tokenizer(std::string_view bytes) : Tokenizer(std::make_unique<FlatFile>(bytes)) {}

Tokenizer::Tokenizer(std::unique_ptr<FlatFile> file)
    : file_(std::move(file)),
      flags_(*file_),
      vocabulary_(*file_),
      preparation_(*file_, flags_),
      raw_(*file_, FilePart::raw_nodes, vocabulary_, flags_),
      normalized_(*file_, FilePart::normalized_nodes, vocabulary_, flags_),
      decoder_(read_decoder(*file_)),
      prefix_(file_->words(FilePart::prefix)),
      suffix_(file_->words(FilePart::suffix)) {
    bpe_.emplace(*file_, vocabulary_, read_bpe(*file_));
}

std::vector<std::uint32_t> Tokenizer::encode(std::string_view text, Ends ends) const {
    std::vector<std::uint32_t> ids;
    if (ends == Ends::special) ids.assign(prefix_.begin(), prefix_.end());
    if (is_utf8(text))
        encode_valid(text, ids);
    else
        encode_valid(repair_utf8(text), ids);
    if (ends == Ends::special) ids.insert(ids.end(), suffix_.begin(), suffix_.end());
    return ids;
}

void Tokenizer::encode_valid(std::string_view text, std::vector<std::uint32_t>& ids) const {
    for (const Segment& segment : raw_.split(text)) {
        if (segment.token) {
            ids.push_back(*segment.token);
            continue;
        }
        const std::string normalized = preparation_.normalize(text.substr(segment.begin, segment.end - segment.begin));
        for (const Segment& part : normalized_.split(normalized)) {
            if (part.token) {
                ids.push_back(*part.token);
                continue;
            }
            std::deque<std::string> made;
            const bool is_start = segment.begin == 0 && part.begin == 0;
            const std::string_view rest = std::string_view(normalized).substr(part.begin, part.end - part.begin);
            for (const std::string_view piece : preparation_.cut(rest, is_start, made)) bpe_->encode(piece, ids);
        }
    }
}

std::vector<std::uint32_t> Tokenizer::stops() const {
    const Words stops = file_->words(FilePart::stops);
    return {stops.begin(), stops.end()};
}

std::string Tokenizer::decode(const std::vector<std::uint32_t>& ids, Special special) const {
    TextStream stream(*this, special, TextStream::Runs::whole);
    std::string text;
    for (const std::uint32_t id : ids) text += stream.add(id);
    return text + stream.finish();
}

}  // namespace nnrun
