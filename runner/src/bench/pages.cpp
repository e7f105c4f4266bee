#include "bench/pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace nnrun {
namespace {

std::optional<bool> nothing_resident(int file, std::size_t size) {
    if (size == 0) return true;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages((size + page - 1) / page);
    void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) return std::nullopt;
    const bool told = ::mincore(map, size, pages.data()) == 0;
    ::munmap(map, size);
    if (!told) return std::nullopt;
    return std::none_of(pages.begin(), pages.end(), [](unsigned char facts) { return (facts & 1) != 0; });
}

// Of anybody else's file, mincore() says that all of it is in memory.
bool may_ask(const std::string& path, const struct stat& facts) {
    return facts.st_uid == ::geteuid() || ::access(path.c_str(), W_OK) == 0;
}

}  // namespace

std::optional<bool> drop_pages(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return std::nullopt;
    // A page that is not on the disk yet cannot be dropped.
    ::fdatasync(file);
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    struct stat facts {};
    std::optional<bool> dropped;
    if (::fstat(file, &facts) == 0 && may_ask(path, facts)) dropped = nothing_resident(file, static_cast<std::size_t>(facts.st_size));
    ::close(file);
    return dropped;
}

}  // namespace nnrun
