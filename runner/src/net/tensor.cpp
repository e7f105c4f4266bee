#include "net/tensor.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "core/failure.h"
#include "core/file.h"
#include "core/machine.h"
#include "core/text.h"

namespace nnrun {

ncnn::Mat make_mat(const Shape& shape) {
    if (shape.size() == 1) return ncnn::Mat(shape[0]);
    if (shape.size() == 2) return ncnn::Mat(shape[1], shape[0]);
    return ncnn::Mat(shape[2], shape[1], shape[0]);
}

Shape shape_of(const ncnn::Mat& blob) {
    if (blob.dims == 1) return {blob.w * blob.elempack};
    if (blob.dims == 2) return {blob.h * blob.elempack, blob.w};
    if (blob.dims == 3) return {blob.c * blob.elempack, blob.h, blob.w};
    if (blob.dims == 4) return {blob.c * blob.elempack, blob.d, blob.h, blob.w};
    return {};
}

void check_memory(const Shape& shape) {
    double bytes = sizeof(float);
    for (const int size : shape) bytes *= size;
    const auto available = available_bytes();
    if (available && bytes > static_cast<double>(*available))
        throw Failure(Exit::input, "no memory for an input of " + format_shape(shape) + "; use a smaller one");
}

std::size_t element_count(const Shape& shape) {
    std::size_t count = 1;
    for (const int size : shape) count *= static_cast<std::size_t>(size);
    return count;
}

std::string format_shape(const Shape& shape) {
    std::vector<std::string> sizes;
    for (const int size : shape) sizes.push_back(std::to_string(size));
    return join(sizes, ",");
}

std::vector<float> flat(const ncnn::Mat& blob) {
    std::vector<float> values;
    const auto plane = static_cast<std::size_t>(blob.w) * static_cast<std::size_t>(blob.h) * static_cast<std::size_t>(blob.d);
    values.reserve(plane * static_cast<std::size_t>(blob.c));
    for (int c = 0; c < blob.c; ++c) {
        const float* from = blob.channel(c);
        values.insert(values.end(), from, from + plane);
    }
    return values;
}

namespace {

std::uint64_t next(std::uint64_t& state) {
    state += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

}  // namespace

void fill_splitmix(ncnn::Mat& blob, std::uint64_t seed, const Span& span) {
    const float width = span.high - span.low;
    std::uint64_t state = seed;
    const auto plane = static_cast<std::size_t>(blob.w) * static_cast<std::size_t>(blob.h) * static_cast<std::size_t>(blob.d);
    for (int c = 0; c < blob.c; ++c) {
        float* to = blob.channel(c);
        for (std::size_t i = 0; i < plane; ++i) to[i] = static_cast<float>(next(state) >> 40) * 0x1p-24f * width + span.low;
    }
}

std::vector<ncnn::Mat> made_up(const std::vector<Shape>& shapes, std::uint64_t seed, const Span& span) {
    std::vector<ncnn::Mat> inputs;
    for (const Shape& shape : shapes) {
        inputs.push_back(make_mat(shape));
        if (inputs.back().empty()) throw Failure(Exit::input, "no memory for an input of " + format_shape(shape) + "; use a smaller one");
        fill_splitmix(inputs.back(), seed++, span);
    }
    return inputs;
}

namespace {

// By the bits: -ffast-math in someone's flags must not turn this into "true". Without a branch,
// so that the compiler makes vectors of it.
bool all_finite(const float* values, std::size_t count) {
    std::uint32_t largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, values + i, sizeof bits);
        largest = std::max(largest, bits & 0x7FFFFFFFu);
    }
    return largest < 0x7F800000u;
}

}  // namespace

bool all_finite(const std::vector<float>& values) { return all_finite(values.data(), values.size()); }

bool all_finite(const ncnn::Mat& blob) {
    const auto plane = static_cast<std::size_t>(blob.w) * static_cast<std::size_t>(blob.h) * static_cast<std::size_t>(blob.d);
    for (int c = 0; c < blob.c; ++c)
        if (!all_finite(blob.channel(c), plane)) return false;
    return true;
}

namespace {

constexpr char magic[] = "\x93NUMPY";
constexpr std::size_t magic_size = sizeof magic - 1;
constexpr std::size_t max_header_size = 1 << 20;
constexpr std::size_t max_elements = std::size_t{1} << 28;  // a gigabyte of floats

[[noreturn]] void reject(const std::string& path, const std::string& problem) { throw Failure(Exit::input, path + ": " + problem); }

struct NpyLayout {
    std::string header;
    std::size_t data = 0;  // where the elements begin
};

// The header's length is a little-endian number, of two bytes in version 1 and of four later.
NpyLayout layout_of(const std::string& path, const std::vector<unsigned char>& bytes) {
    if (bytes.size() < magic_size + 6 || std::memcmp(bytes.data(), magic, magic_size) != 0) reject(path, "not a .npy file");
    const std::size_t width = bytes[magic_size] == 1 ? 2 : 4;
    const std::size_t begin = magic_size + 2 + width;
    std::size_t length = 0;
    for (std::size_t i = width; i > 0; --i) length = length << 8 | bytes[magic_size + 1 + i];
    if (begin > bytes.size() || length > bytes.size() - begin) reject(path, "truncated within its header");
    return {std::string(bytes.begin() + static_cast<std::ptrdiff_t>(begin), bytes.begin() + static_cast<std::ptrdiff_t>(begin + length)),
            begin + length};
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

std::optional<Shape> shape_in(const std::string& tuple) {
    Shape shape;
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

void fill(ncnn::Mat& tensor, const unsigned char* bytes) {
    const std::size_t plane = static_cast<std::size_t>(tensor.w) * static_cast<std::size_t>(tensor.h) * sizeof(float);
    for (int c = 0; c < tensor.c; ++c)
        std::memcpy(static_cast<float*>(tensor.channel(c)), bytes + static_cast<std::size_t>(c) * plane, plane);
}

}  // namespace

ncnn::Mat read_npy(const std::string& path) {
    const std::vector<unsigned char> bytes = read_file(path, Exit::input, max_elements * sizeof(float) + max_header_size);
    const NpyLayout layout = layout_of(path, bytes);
    if (value_of(layout.header, "descr") != "'<f4'") reject(path, "its elements are not little-endian floats ('<f4')");
    if (value_of(layout.header, "fortran_order") != "False") reject(path, "its elements are not in C order");
    const auto shape = shape_in(value_of(layout.header, "shape"));
    if (!shape) reject(path, "its shape is not one to three sizes that fit into a gigabyte");
    if (bytes.size() - layout.data != element_count(*shape) * sizeof(float))
        reject(path, "its " + std::to_string(bytes.size()) + " bytes are not what the shape " + format_shape(*shape) + " takes");
    ncnn::Mat tensor = make_mat(*shape);
    if (tensor.empty()) reject(path, "not enough memory for its shape " + format_shape(*shape));
    fill(tensor, bytes.data() + layout.data);
    return tensor;
}

}  // namespace nnrun
