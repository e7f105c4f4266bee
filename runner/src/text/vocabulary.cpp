#include "text/vocabulary.h"

namespace nnrun {
namespace {

constexpr std::size_t merge_width = 4;

// The hashes of piyard/language/tokenizer/hashing.py.
std::uint32_t hash_text(std::string_view text) {
    std::uint32_t hash = 0x811C9DC5;
    for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x01000193u;
    return hash ^ hash >> 15;
}

std::uint32_t hash_pair(std::uint32_t left, std::uint32_t right) {
    const std::uint32_t mixed = left * 0x9E3779B1u ^ right * 0x85EBCA77u;
    return mixed ^ mixed >> 15;
}

// As many buckets as a power of two, and the end of the last.
std::size_t bucket_of(Words buckets, std::uint32_t hash) { return hash & (buckets.size() - 2); }

void check_buckets(Words buckets) {
    const std::size_t count = buckets.size() - 1;
    if (buckets.size() < 2 || (count & (count - 1)) != 0) fail_tokenizer("a table in it has a wrong size");
}

}  // namespace

Vocabulary::Vocabulary(const FlatFile& file)
    : texts_(file.texts(FilePart::text_offsets, FilePart::text_bytes)),
      pieces_(file.texts(FilePart::piece_offsets, FilePart::piece_bytes)),
      flags_(file.bytes(FilePart::token_flags)),
      token_buckets_(file.words(FilePart::token_buckets)),
      token_ids_(file.words(FilePart::token_ids)),
      merge_buckets_(file.words(FilePart::merge_buckets)),
      merges_(file.words(FilePart::merges)) {
    check_buckets(token_buckets_);
    if (texts_.size() != size() || pieces_.size() != size()) fail_tokenizer("it has as many texts as tokens no more");
    if (!merge_buckets_.empty()) check_buckets(merge_buckets_);
}

std::optional<std::uint32_t> Vocabulary::find(std::string_view text) const {
    const std::size_t bucket = bucket_of(token_buckets_, hash_text(text));
    const std::uint32_t end = token_buckets_[bucket + 1];
    for (std::uint32_t at = token_buckets_[bucket]; at < end; ++at)
        if (texts_[token_ids_[at]] == text) return token_ids_[at];
    return std::nullopt;
}

std::optional<Merge> Vocabulary::merge(std::uint32_t left, std::uint32_t right) const {
    if (merge_buckets_.empty()) return std::nullopt;
    const std::size_t bucket = bucket_of(merge_buckets_, hash_pair(left, right));
    const std::uint32_t end = merge_buckets_[bucket + 1];
    for (std::uint32_t at = merge_buckets_[bucket]; at < end; ++at) {
        const std::uint32_t* const row = merges_.row(at, merge_width);
        if (row[0] == left && row[1] == right) return Merge{row[2], row[3]};
    }
    return std::nullopt;
}

}  // namespace nnrun
