#pragma once

#include <modelbin.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace nnrun {

// Each part of a section of a .bin begins at a multiple of this, counted from the file's start.
constexpr std::size_t section_alignment = 64;

// "nnq1": what a section begins with, and the version of its layout.
constexpr std::uint32_t section_mark = 0x31716e6e;

inline std::size_t aligned_size(std::size_t bytes) { return (bytes + section_alignment - 1) / section_alignment * section_alignment; }

// What is wrong with a layer's section; the reader of the file knows its name.
class BadSection : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// What one of nnrun's own layers has in a .bin: the mark, then its parts, each padded with zeros to the
// alignment. Nothing is copied: the file must stay mapped as long as the layer lives. The writer is
// piyard/convert/language/panels.py.
class Section {
public:
    // A BadSection where none begins, or the file is not mapped.
    Section(const ncnn::ModelBin& weights, const std::string& layer);

    template <typename T>
    const T* part(std::size_t count) {
        return static_cast<const T*>(bytes(count * sizeof(T)));
    }

private:
    const void* words(std::size_t count);
    const void* bytes(std::size_t size);

    const ncnn::ModelBin& weights_;
    std::string layer_;
};

}  // namespace nnrun
