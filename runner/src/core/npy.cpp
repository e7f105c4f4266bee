#include "core/npy.h"

#include <cstring>
#include <optional>

#include "core/failure.h"
#include "core/file.h"
#include "core/text.h"

namespace nnrun {
namespace {

constexpr char magic[] = "\x93NUMPY";
constexpr std::size_t magic_size = sizeof magic - 1;
constexpr std::size_t max_header_size = 1 << 20;
constexpr std::size_t max_elements = std::size_t{1} << 28;  // a gigabyte of floats
constexpr std::size_t max_element_size = 8;

// The header's length is a little-endian number, of two bytes in version 1 and of four later.
std::string read_header(NpyFile& file) {
    const std::vector<unsigned char>& bytes = file.bytes;
    if (bytes.size() < magic_size + 6 || std::memcmp(bytes.data(), magic, magic_size) != 0) file.reject("not a .npy file");
    const std::size_t width = bytes[magic_size] == 1 ? 2 : 4;
    const std::size_t begin = magic_size + 2 + width;
    std::size_t length = 0;
    for (std::size_t i = width; i > 0; --i) length = length << 8 | bytes[magic_size + 1 + i];
    if (begin > bytes.size() || length > bytes.size() - begin) file.reject("truncated within its header");
    file.data = begin + length;
    return std::string(bytes.begin() + static_cast<std::ptrdiff_t>(begin), bytes.begin() + static_cast<std::ptrdiff_t>(file.data));
}

// What follows 'key': in the header, a Python dictionary as NumPy writes it.
std::string value_of(const std::string& header, const std::string& key) {
    const std::size_t at = header.find("'" + key + "':");
    if (at == std::string::npos) return "";
    const std::size_t begin = header.find_first_not_of(' ', at + key.size() + 3);
    if (begin == std::string::npos) return "";
    const std::size_t end = header.find(header[begin] == '(' ? ')' : ',', begin);
    return end == std::string::npos ? "" : header.substr(begin, end - begin);
}

std::optional<std::vector<int>> shape_in(const std::string& tuple) {
    std::vector<int> shape;
    std::size_t elements = 1;
    if (tuple.empty() || tuple.front() != '(') return std::nullopt;
    for (const std::string& part : split(tuple.substr(1), ',')) {
        const std::vector<std::string> digits = words(part);
        if (digits.empty()) continue;  // after the comma of a tuple of one
        const auto size = parse_integer(digits.front());
        if (!size || *size < 1 || static_cast<std::size_t>(*size) > max_elements / elements) return std::nullopt;
        elements *= static_cast<std::size_t>(*size);
        shape.push_back(static_cast<int>(*size));
    }
    return shape.empty() || shape.size() > 3 ? std::nullopt : std::optional(shape);
}

std::string unquoted(const std::string& word) {
    return word.size() > 2 && word.front() == '\'' && word.back() == '\'' ? word.substr(1, word.size() - 2) : "";
}

}  // namespace

std::size_t NpyFile::count() const {
    std::size_t count = 1;
    for (const int size : shape) count *= static_cast<std::size_t>(size);
    return count;
}

void NpyFile::check_size(std::size_t element) const {
    if (bytes.size() - data == count() * element) return;
    std::vector<std::string> sizes;
    for (const int size : shape) sizes.push_back(std::to_string(size));
    reject("its " + std::to_string(bytes.size()) + " bytes are not what the shape " + join(sizes, ",") + " takes");
}

void NpyFile::reject(const std::string& problem) const { throw Failure(Exit::input, path + ": " + problem); }

NpyFile read_npy_file(const std::string& path) {
    NpyFile file;
    file.path = path;
    file.bytes = read_file(path, Exit::input, max_elements * max_element_size + max_header_size);
    const std::string header = read_header(file);
    file.type = unquoted(value_of(header, "descr"));
    if (value_of(header, "fortran_order") != "False") file.reject("its elements are not in C order");
    const auto shape = shape_in(value_of(header, "shape"));
    if (!shape) file.reject("its shape is not one to three sizes that fit into a gigabyte");
    file.shape = *shape;
    return file;
}

std::string npy_header(const std::string& type, const std::vector<std::size_t>& shape) {
    std::string sizes;
    for (const std::size_t size : shape) sizes += std::to_string(size) + ",";
    std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + sizes + "), }";
    // The elements begin at a multiple of 64.
    const std::size_t start = magic_size + 4;
    text.resize((start + text.size() + 1 + 63) / 64 * 64 - start - 1, ' ');
    text += '\n';
    const auto byte = [](std::size_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
    return std::string(magic, magic_size) + '\1' + '\0' + byte(text.size() & 0xFF) + byte(text.size() >> 8) + text;
}

}  // namespace nnrun
