#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/failure.h"

namespace nnrun {

// The sections of a tokenizer's file, in the order of piyard/language/tokenizer/flat_file.py.
enum class FilePart : std::uint32_t {
    settings = 1,
    text_offsets,
    text_bytes,
    piece_offsets,
    piece_bytes,
    token_flags,
    token_buckets,
    token_ids,
    merge_buckets,
    merges,
    symbols,
    fallback,
    string_offsets,
    string_bytes,
    instructions,
    sets,
    ranges,
    patterns,
    normalizers,
    pre_tokenizers,
    unicode_index,
    unicode_blocks,
    decomposition_keys,
    decomposition_offsets,
    decomposition_values,
    compositions,
    classes,
    lower_keys,
    lower_offsets,
    lower_values,
    raw_nodes,
    raw_bytes,
    raw_targets,
    normalized_nodes,
    normalized_bytes,
    normalized_targets,
    prefix,
    suffix,
    chat,
    chat_offsets,
    chat_bytes,
    scores,
    vocabulary_nodes,
    vocabulary_bytes,
    vocabulary_targets,
    stops,
    picture,
    picture_offsets,
    picture_bytes,
};

// The section so many places behind another one.
constexpr FilePart after(FilePart first, std::uint32_t places) { return static_cast<FilePart>(static_cast<std::uint32_t>(first) + places); }

[[noreturn]] void fail_tokenizer(const std::string& problem);

// Values in the file. What lies outside is a Failure: nothing in the file is believed.
template <typename Value>
class Table {
public:
    Table() = default;
    Table(const Value* values, std::size_t size) : values_(values), size_(size) {}

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const Value* begin() const { return values_; }
    const Value* end() const { return values_ + size_; }
    Value operator[](std::size_t at) const {
        if (at >= size_) fail_tokenizer("a number in it points outside");
        return values_[at];
    }
    // A row of so many values.
    const Value* row(std::size_t number, std::size_t width) const {
        if (number >= size_ / width) fail_tokenizer("a number in it points outside");
        return values_ + number * width;
    }

private:
    const Value* values_ = nullptr;
    std::size_t size_ = 0;
};

using Words = Table<std::uint32_t>;
using Halves = Table<std::uint16_t>;
using Bytes = Table<std::uint8_t>;

// Texts side by side.
class Texts {
public:
    Texts() = default;
    Texts(Words offsets, Bytes bytes) : offsets_(offsets), bytes_(bytes) {}

    std::size_t size() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
    std::string_view operator[](std::size_t at) const {
        const std::uint32_t begin = offsets_[at];
        const std::uint32_t end = offsets_[at + 1];
        if (begin > end || end > bytes_.size()) fail_tokenizer("a text in it lies outside");
        return {reinterpret_cast<const char*>(bytes_.begin()) + begin, end - begin};
    }

private:
    Words offsets_;
    Bytes bytes_;
};

// The file in memory, as it is on the disk: opening it reads its table of sections and nothing else.
class FlatFile {
public:
    explicit FlatFile(const std::string& path);
    // Bytes that live longer than this.
    explicit FlatFile(std::string_view bytes);
    ~FlatFile();
    FlatFile(const FlatFile&) = delete;
    FlatFile& operator=(const FlatFile&) = delete;

    // A section that is not there is empty.
    Words words(FilePart section) const { return table<std::uint32_t>(section); }
    Halves halves(FilePart section) const { return table<std::uint16_t>(section); }
    Bytes bytes(FilePart section) const { return table<std::uint8_t>(section); }
    Table<double> doubles(FilePart section) const { return table<double>(section); }
    Texts texts(FilePart offsets, FilePart content) const { return {words(offsets), bytes(content)}; }

private:
    struct Entry;

    template <typename Value>
    Table<Value> table(FilePart section) const {
        std::size_t size = 0;
        const void* begin = find(section, sizeof(Value), size);
        return {static_cast<const Value*>(begin), size / sizeof(Value)};
    }
    void check();
    const void* find(FilePart section, std::size_t item, std::size_t& size) const;

    const unsigned char* begin_ = nullptr;
    std::size_t size_ = 0;
    bool mapped_ = false;
};

}  // namespace nnrun
