#include "text/flat_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nnrun {
namespace {

constexpr char magic[8] = {'p', 'i', 'y', 't', 'o', 'k', '\0', '\1'};
constexpr std::size_t header_size = 64;
constexpr std::size_t entry_size = 24;
constexpr std::uint32_t max_sections = 256;

template <typename Value>
Value read(const unsigned char* from) {
    Value value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

struct Descriptor {
    int number;
    ~Descriptor() {
        if (number >= 0) ::close(number);
    }
};

std::string reason() { return std::strerror(errno); }

}  // namespace

struct FlatFile::Entry {
    std::uint32_t section, item;
    std::uint64_t begin, size;

    explicit Entry(const unsigned char* from)
        : section(read<std::uint32_t>(from)),
          item(read<std::uint32_t>(from + 4)),
          begin(read<std::uint64_t>(from + 8)),
          size(read<std::uint64_t>(from + 16)) {}
};

void fail_tokenizer(const std::string& problem) {
    throw Failure(Exit::model, "the tokenizer is broken: " + problem + "; convert the model again");
}

FlatFile::FlatFile(const std::string& path) {
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    struct stat info {};
    if (file.number < 0 || ::fstat(file.number, &info) != 0) throw Failure(Exit::model, path + ": " + reason());
    if (!S_ISREG(info.st_mode)) throw Failure(Exit::model, path + ": not a regular file");
    size_ = static_cast<std::size_t>(info.st_size);
    if (size_ < header_size) throw Failure(Exit::model, path + ": not a tokenizer that piyard converted");
    void* const mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number, 0);
    if (mapped == MAP_FAILED) throw Failure(Exit::model, path + ": " + reason());
    begin_ = static_cast<const unsigned char*>(mapped);
    mapped_ = true;
    try {
        check();
    } catch (const Failure& failure) {
        ::munmap(mapped, size_);
        throw Failure(failure.code, path + ": " + failure.what());
    }
}

FlatFile::FlatFile(std::string_view bytes) : begin_(reinterpret_cast<const unsigned char*>(bytes.data())), size_(bytes.size()) { check(); }

FlatFile::~FlatFile() {
    if (mapped_) ::munmap(const_cast<unsigned char*>(begin_), size_);
}

void FlatFile::check() {
    if (size_ < header_size || std::memcmp(begin_, magic, sizeof magic) != 0) fail_tokenizer("it is none that this nnrun reads");
    const auto count = read<std::uint32_t>(begin_ + 8);
    if (read<std::uint64_t>(begin_ + 16) != size_) fail_tokenizer("it is truncated");
    if (count > max_sections || header_size + count * entry_size > size_) fail_tokenizer("it has no room for its sections");
    for (std::uint32_t number = 0; number < count; ++number) {
        const Entry entry(begin_ + header_size + number * entry_size);
        if (entry.begin > size_ || entry.size > size_ - entry.begin || entry.begin % 64 != 0) fail_tokenizer("a section lies outside");
    }
}

const void* FlatFile::find(FilePart section, std::size_t item, std::size_t& size) const {
    const auto count = read<std::uint32_t>(begin_ + 8);
    for (std::uint32_t number = 0; number < count; ++number) {
        const Entry entry(begin_ + header_size + number * entry_size);
        if (entry.section != static_cast<std::uint32_t>(section)) continue;
        if (entry.item != item || entry.size % item != 0) fail_tokenizer("a section has items of another size");
        size = entry.size;
        return begin_ + entry.begin;
    }
    return nullptr;
}

}  // namespace nnrun
