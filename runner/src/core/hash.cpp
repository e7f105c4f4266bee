#include "core/hash.h"

#include <algorithm>

#include "core/file.h"

namespace nnrun {

void add_samples(Hash& hash, const std::string& path) {
    constexpr std::size_t samples = 256, page = 4096;
    const MappedFile file(path, Exit::model);
    const std::size_t size = file.size(), stride = std::max(size / samples, page);
    hash.add(&size, sizeof size);
    for (std::size_t at = 0; at < size; at += stride) hash.add(file.bytes() + at, std::min(page, size - at));
}

}  // namespace nnrun
