#include "net/weights.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "core/failure.h"
#include "core/text.h"

namespace nnrun {
namespace {

struct Tag {
    std::uint32_t word;
    int format;
};
const std::array<const char*, 4> format_names{"fp32", "fp16", "bf16", "int8"};
// The word before each weight array (ncnn's modelbin.cpp).
const std::array<Tag, 5> tags{{{0, 0}, {0x0002C056, 0}, {0x01306B47, 1}, {0x01348B83, 2}, {0x000D4B38, 3}}};

int format_of(std::uint32_t word) {
    for (const Tag& tag : tags)
        if (tag.word == word) return tag.format;
    return -1;
}

}  // namespace

WeightsFile::WeightsFile(const std::string& path, const MappedFile* mapped)
    : path_(path), mapped_(mapped), file_(std::fopen(path.c_str(), "rb")) {
    if (!file_) throw Failure(Exit::model, path + ": " + std::strerror(errno));
    struct stat info {};
    if (::fstat(::fileno(file_), &info) != 0 || !S_ISREG(info.st_mode)) {
        std::fclose(file_);
        throw Failure(Exit::model, path + ": not a regular file");
    }
    size_ = mapped_ != nullptr ? mapped_->size() : static_cast<std::size_t>(info.st_size);
}

WeightsFile::~WeightsFile() { std::fclose(file_); }

// Some layers of ncnn do not check a short read and crash on it: it ends here. The .param decides
// how much is read, which may be more than there is memory.
void WeightsFile::check(std::size_t size) const {
    if (size > size_ - used_)
        throw Failure(Exit::model,
                      path_ + ": truncated, the net needs more than its " + std::to_string(size_) + " bytes; copy or convert it again");
}

std::size_t WeightsFile::read(void* buffer, std::size_t size) const {
    check(size);
    if (mapped_ != nullptr)
        std::memcpy(buffer, mapped_->bytes() + used_, size);
    else if (std::fread(buffer, 1, size, file_) != size)
        throw Failure(Exit::model, path_ + ": cannot be read to its end; copy it again");
    used_ += size;
    account(buffer, size);
    return size;
}

std::size_t WeightsFile::reference(std::size_t size, const void** buffer) const {
    if (mapped_ == nullptr) return 0;
    check(size);
    *buffer = mapped_->bytes() + used_;
    used_ += size;
    // Only a tag, which is read, tells a format: sections of nnrun's own layers have none.
    if (expected_ >= 0) account(*buffer, size);
    return size;
}

// A tag is a read of four bytes and its weights are the next read. Biases and scales
// come without a tag; one that is a single 0.0 reads like the tag of fp32, and then the
// real tag follows it.
void WeightsFile::account(const void* buffer, std::size_t size) const {
    std::uint32_t word = 0;
    const bool may_be_tag = size == sizeof word;
    if (may_be_tag) std::memcpy(&word, buffer, sizeof word);
    const bool tag_follows_zero = may_be_tag && expected_ == 0 && word != 0 && format_of(word) >= 0;
    if (expected_ >= 0 && !tag_follows_zero) {
        bytes_[static_cast<std::size_t>(expected_)] += size;
        expected_ = -1;
    } else {
        expected_ = may_be_tag ? format_of(word) : -1;
    }
}

std::string WeightsFile::formats() const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < bytes_.size(); ++i)
        if (bytes_[i] > 0) names.emplace_back(format_names[i]);
    return names.empty() ? "none" : join(names, "+");
}

}  // namespace nnrun
