#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace nnrun {

// An array of a .npy file (NumPy's format 1.0 to 3.0), in C order.
struct NpyFile {
    std::string path;
    std::string type;  // of the elements, as NumPy writes it: "<f4"
    std::vector<int> shape;
    std::vector<unsigned char> bytes;  // the whole file
    std::size_t data = 0;              // where the elements begin

    const unsigned char* elements() const { return bytes.data() + data; }
    std::size_t count() const;
    // The elements have this size each, or it is a Failure.
    void check_size(std::size_t element) const;
    [[noreturn]] void reject(const std::string& problem) const;
};

// One to three axes, of together 2^28 elements or fewer. Anything else is a Failure with Exit::input.
NpyFile read_npy_file(const std::string& path);

// All before the elements of an array in C order.
std::string npy_header(const std::string& type, const std::vector<std::size_t>& shape);

}  // namespace nnrun
