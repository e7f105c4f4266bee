#include "language/prefix_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/failure.h"
#include "core/file.h"
#include "core/hash.h"
#include "kernels/floats.h"
#include "kernels/kv_cache.h"

namespace nnrun {
namespace {

namespace fs = std::filesystem;

constexpr std::array<char, 8> magic{'N', 'N', 'R', 'U', 'N', 'K', 'V', '1'};
constexpr const char* suffix = ".kv";

// The format counts too: what an int8 cache kept is not what one of floats would remember.
std::uint64_t identity_of(const Session& session) {
    const Request& request = session.model().request();
    const CacheFormat format = session.caches().front()->format();
    Hash hash;
    hash.add(&format, sizeof format);
    for (const std::string& path : {request.param, request.bin}) add_samples(hash, path);
    return hash.value();
}

struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closer>;

// Begins a file; the tokens follow, then a row for each of them and its hash.
struct Head {
    std::array<char, 8> magic = nnrun::magic;
    std::uint64_t model = 0;
    std::uint32_t layers = 0;
    std::uint32_t row_values = 0;  // of the keys of one layer
    std::uint32_t value_bytes = 0;
    std::uint32_t tokens = 0;
};

Head head_of(std::uint64_t model, const Session& session) {
    const KvCache& cache = *session.caches().front();
    Head head;
    head.model = model;
    head.layers = static_cast<std::uint32_t>(session.caches().size());
    head.row_values = static_cast<std::uint32_t>(cache.kv_heads() * cache.head_size());
    // What an int8 cache makes of floats it makes again.
    head.value_bytes = cache.format() == CacheFormat::fp16 ? 2 : 4;
    return head;
}

// A row of all layers, keys and values of each, as it lies in a file.
class Row {
public:
    explicit Row(const Head& head)
        : head_(head), floats_(2 * std::size_t{head.row_values}), bytes_(floats_.size() * head.layers * head.value_bytes) {}

    bool write(std::FILE* file, const Session& session, int index) {
        unsigned char* to = bytes_.data();
        for (const auto& cache : session.caches()) {
            cache->read_row(index, floats_.data(), floats_.data() + head_.row_values);
            for (const float value : floats_) to = put(to, value);
        }
        const std::uint64_t hash = hash_of();
        return std::fwrite(bytes_.data(), bytes_.size(), 1, file) == 1 && std::fwrite(&hash, sizeof hash, 1, file) == 1;
    }

    bool read(std::FILE* file) {
        std::uint64_t hash = 0;
        return std::fread(bytes_.data(), bytes_.size(), 1, file) == 1 && std::fread(&hash, sizeof hash, 1, file) == 1 && hash == hash_of();
    }

    void append(const Session& session) {
        const unsigned char* from = bytes_.data();
        for (const auto& cache : session.caches()) {
            for (float& value : floats_) from = get(from, value);
            cache->append(floats_.data(), floats_.data() + head_.row_values);
        }
    }

private:
    std::uint64_t hash_of() const {
        Hash hash;
        hash.add(bytes_.data(), bytes_.size());
        return hash.value();
    }

    unsigned char* put(unsigned char* to, float value) const {
        const Half half = to_half(value);
        std::memcpy(to, head_.value_bytes == 2 ? static_cast<const void*>(&half) : &value, head_.value_bytes);
        return to + head_.value_bytes;
    }

    const unsigned char* get(const unsigned char* from, float& value) const {
        Half half = 0;
        std::memcpy(head_.value_bytes == 2 ? static_cast<void*>(&half) : &value, from, head_.value_bytes);
        if (head_.value_bytes == 2) value = to_float(half);
        return from + head_.value_bytes;
    }

    const Head& head_;
    std::vector<float> floats_;
    std::vector<unsigned char> bytes_;
};

// The tokens of a stored prompt, with the file at its first row; none where it is of another model, or broken.
Tokens read_tokens(std::FILE* file, const Head& expected) {
    Head head;
    if (std::fread(&head, sizeof head, 1, file) != 1) return {};
    const std::uint32_t count = head.tokens;
    head.tokens = 0;
    if (std::memcmp(&head, &expected, sizeof head) != 0 || count > (1u << 24)) return {};
    Tokens tokens(count);
    return std::fread(tokens.data(), sizeof(int), count, file) == count ? tokens : Tokens{};
}

std::size_t shared_start(const Tokens& a, const Tokens& b) {
    const auto end = a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
    return static_cast<std::size_t>(std::mismatch(a.begin(), end, b.begin()).first - a.begin());
}

bool write_all(std::FILE* file, Head head, const Session& session, const Tokens& tokens) {
    Row row(head);
    head.tokens = static_cast<std::uint32_t>(tokens.size());
    bool written = std::fwrite(&head, sizeof head, 1, file) == 1;
    written = written && std::fwrite(tokens.data(), sizeof(int), tokens.size(), file) == tokens.size();
    for (std::size_t i = 0; written && i < tokens.size(); ++i) written = row.write(file, session, static_cast<int>(i));
    return written && std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0;
}

void touch(const std::string& path) { ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0); }

}  // namespace

PrefixStore::PrefixStore(const std::string& folder, std::uint64_t limit_bytes, const Session& session)
    : folder_(folder), limit_(limit_bytes), model_(identity_of(session)) {
    check_folder(folder);
}

Tokens PrefixStore::restore(Session& session, const Tokens& prompt) const {
    const Head head = head_of(model_, session);
    std::string best;
    std::size_t most = least - 1;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
        if (entry.path().extension() != suffix) continue;
        const File file(std::fopen(entry.path().c_str(), "rb"));
        // The last token of a prompt is always read.
        const std::size_t shared = file ? std::min(shared_start(read_tokens(file.get(), head), prompt), prompt.size() - 1) : 0;
        if (shared <= most) continue;
        most = shared;
        best = entry.path();
    }
    if (best.empty()) return {};
    const File file(std::fopen(best.c_str(), "rb"));
    if (!file || read_tokens(file.get(), head).size() < most) return {};
    Row row(head);
    std::size_t count = 0;
    for (; count < most && row.read(file.get()); ++count) row.append(session);
    touch(best);
    return Tokens(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(count));
}

std::string PrefixStore::save(const Session& session, const Tokens& tokens) const {
    const Head head = head_of(model_, session);
    const std::string path = path_of(tokens), beside = path + "." + std::to_string(::getpid()) + ".part";
    if (::access(path.c_str(), F_OK) == 0) return touch(path), "";
    const std::uint64_t row = std::uint64_t{2} * head.row_values * head.layers * head.value_bytes + sizeof(std::uint64_t);
    const std::uint64_t size = sizeof head + tokens.size() * (sizeof(int) + row);
    if (size > limit_)
        return folder_ + ": this prompt would take " + std::to_string(size >> 20) + " MB, which is more than --prefix-cache-limit";
    evict(size);
    errno = 0;
    File file(std::fopen(beside.c_str(), "wb"));
    bool saved = file != nullptr && write_all(file.get(), head, session, tokens);
    saved = (file == nullptr || std::fclose(file.release()) == 0) && saved;
    saved = saved && std::rename(beside.c_str(), path.c_str()) == 0;
    if (saved) return "";
    const std::string reason = std::strerror(errno);
    ::unlink(beside.c_str());
    return folder_ + ": " + reason + "; the prompt is not kept for the next run";
}

std::string PrefixStore::path_of(const Tokens& tokens) const {
    Hash hash;
    hash.add(&model_, sizeof model_);
    hash.add(tokens.data(), tokens.size() * sizeof(int));
    char name[24];
    std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(hash.value()));
    return folder_ + "/" + name + suffix;
}

void PrefixStore::evict(std::uint64_t needed) const {
    struct Stored {
        fs::file_time_type used;
        std::uint64_t size;
        fs::path path;
    };
    std::vector<Stored> files;
    std::uint64_t total = needed;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
        if (entry.path().extension() != suffix) continue;
        files.push_back({entry.last_write_time(error), entry.file_size(error), entry.path()});
        total += files.back().size;
    }
    std::sort(files.begin(), files.end(), [](const Stored& a, const Stored& b) { return a.used < b.used; });
    for (std::size_t i = 0; i < files.size() && total > limit_; ++i) {
        total -= files[i].size;
        fs::remove(files[i].path, error);
    }
}

}  // namespace nnrun
