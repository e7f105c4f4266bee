#include "net/tensor.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/failure.h"
#include "core/machine.h"
#include "core/npy.h"
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
        throw Failure(Exit::input, "not enough memory for an input of " + format_shape(shape) + "; use a smaller one");
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
        if (inputs.back().empty())
            throw Failure(Exit::input, "not enough memory for an input of " + format_shape(shape) + "; use a smaller one");
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

void fill(ncnn::Mat& tensor, const unsigned char* bytes) {
    const std::size_t plane = static_cast<std::size_t>(tensor.w) * static_cast<std::size_t>(tensor.h) * sizeof(float);
    for (int c = 0; c < tensor.c; ++c)
        std::memcpy(static_cast<float*>(tensor.channel(c)), bytes + static_cast<std::size_t>(c) * plane, plane);
}

}  // namespace

ncnn::Mat read_npy(const std::string& path) {
    const NpyFile file = read_npy_file(path);
    if (file.type != "<f4") file.reject("its elements are not little-endian floats ('<f4')");
    file.check_size(sizeof(float));
    ncnn::Mat tensor = make_mat(file.shape);
    if (tensor.empty()) file.reject("not enough memory for its shape " + format_shape(file.shape));
    fill(tensor, file.elements());
    return tensor;
}

}  // namespace nnrun
