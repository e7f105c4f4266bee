#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace nnrun {

// Fowler, Noll and Vo's hash FNV-1a: finds accidents, not forgeries.
class Hash {
public:
    void add(const void* bytes, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) value_ = (value_ ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001B3ULL;
    }
    void add(const std::string& text) { add(text.data(), text.size()); }
    std::uint64_t value() const { return value_; }

private:
    std::uint64_t value_ = 0xCBF29CE484222325ULL;
};

// Whole weights would take as long to hash as to load: the file's size and 256 pages spread over it differ
// between any two models.
void add_samples(Hash& hash, const std::string& path);

}  // namespace nnrun
