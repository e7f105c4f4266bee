#include "bench/cold.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/clock.h"
#include "core/failure.h"
#include "core/json.h"
#include "core/rehearsal.h"
#include "net/tensor.h"

namespace nnrun {
namespace {

std::optional<bool> nothing_resident(int file, std::size_t size) {
    if (size == 0) return true;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages((size + page - 1) / page);
    void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) return std::nullopt;
    const bool listed = ::mincore(map, size, pages.data()) == 0;
    ::munmap(map, size);
    if (!listed) return std::nullopt;
    return std::none_of(pages.begin(), pages.end(), [](unsigned char info) { return (info & 1) != 0; });
}

// Of anybody else's file, mincore() says that all of it is in memory.
bool may_ask(const std::string& path, const struct stat& info) { return info.st_uid == ::geteuid() || ::access(path.c_str(), W_OK) == 0; }

}  // namespace

std::optional<bool> drop_pages(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return std::nullopt;
    // A page that is not on the disk yet cannot be dropped.
    ::fdatasync(file);
    ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    struct stat info{};
    std::optional<bool> dropped;
    if (::fstat(file, &info) == 0 && may_ask(path, info)) dropped = nothing_resident(file, static_cast<std::size_t>(info.st_size));
    ::close(file);
    return dropped;
}

namespace {

std::string drop_files(const Request& request) {
    const std::optional<bool> param = drop_pages(request.param);
    const std::optional<bool> bin = drop_pages(request.bin);
    if (!param || !bin) return "null";
    return *param && *bin ? "true" : "false";
}

double first_ms(const Model& model, const std::vector<Shape>& shapes, unsigned long long seed) {
    const std::vector<ncnn::Mat> inputs = made_up(shapes, seed, Span());
    std::vector<ncnn::Mat> outputs(model.outputs().size());
    const Stopwatch watch;
    model.run(inputs.data(), outputs);
    return watch.ms();
}

}  // namespace

std::string cold_line(const Request& request, const std::vector<Shape>& shapes, unsigned long long seed) {
    return rehearse(request.param, [&] {
        const StderrCapture captured;
        const std::string dropped = drop_files(request);
        const Stopwatch watch;
        const Model model(request);
        json::Object line;
        line.text("type", "cold").number("load_ms", watch.ms());
        line.number("first_ms", first_ms(model, shapes, seed)).raw("dropped", dropped);
        return line.str();
    });
}

}  // namespace nnrun
