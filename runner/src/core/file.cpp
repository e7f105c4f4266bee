#include "core/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace nnrun {
namespace {

struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closer>;

std::string reason() { return std::strerror(errno); }

}  // namespace

std::vector<unsigned char> read_file(const std::string& path, Exit code, std::size_t limit) {
    const File file(std::fopen(path.c_str(), "rb"));
    if (!file) throw Failure(code, path + ": " + reason());
    struct stat info {};
    if (::fstat(::fileno(file.get()), &info) != 0) throw Failure(code, path + ": " + reason());
    if (!S_ISREG(info.st_mode)) throw Failure(code, path + ": not a regular file");
    if (static_cast<std::size_t>(info.st_size) > limit)
        throw Failure(code, path + ": " + std::to_string(info.st_size >> 20) + " MB; the limit is " + std::to_string(limit >> 20) + " MB");
    std::vector<unsigned char> bytes(static_cast<std::size_t>(info.st_size));
    const std::size_t got = bytes.empty() ? 0 : std::fread(bytes.data(), 1, bytes.size(), file.get());
    if (got != bytes.size()) throw Failure(code, path + ": could not be read to its end");
    return bytes;
}

MappedFile::MappedFile(const std::string& path, Exit code) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) throw Failure(code, path + ": " + reason());
    struct stat info {};
    const bool regular = ::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
    size_ = regular ? static_cast<std::size_t>(info.st_size) : 0;
    void* const mapping = size_ > 0 ? ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0) : nullptr;
    const std::string why = mapping == MAP_FAILED ? reason() : "not a regular file";
    ::close(descriptor);
    if (!regular || mapping == MAP_FAILED) throw Failure(code, path + ": " + why);
    bytes_ = static_cast<const unsigned char*>(mapping);
    // The first run needs all of it.
    if (bytes_ != nullptr) ::madvise(mapping, size_, MADV_WILLNEED);
}

MappedFile::~MappedFile() {
    if (bytes_ != nullptr) ::munmap(const_cast<unsigned char*>(bytes_), size_);
}

void write_floats(const std::string& path, const float* values, std::size_t count) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file) throw Failure(Exit::output, path + ": " + reason());
    const bool written = std::fwrite(values, sizeof(float), count, file) == count;
    const bool closed = std::fclose(file) == 0;
    if (!written || !closed) throw Failure(Exit::output, path + ": " + reason() + "; check the free space");
}

void check_folder(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) throw Failure(Exit::output, path + ": " + reason() + "; make it first");
    if (!S_ISDIR(info.st_mode)) throw Failure(Exit::output, path + ": not a folder");
    if (::access(path.c_str(), W_OK) != 0) throw Failure(Exit::output, path + ": " + reason());
}

std::string file_name(const std::string& blob) {
    std::string name = blob;
    for (char& letter : name)
        if (letter == '/') letter = '_';
    return name;
}

}  // namespace nnrun
