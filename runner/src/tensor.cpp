#include "tensor.h"

#include <algorithm>
#include <cmath>

#include "failure.h"
#include "file.h"
#include "json.h"

namespace nnrun {
namespace {

std::uint64_t next_splitmix(std::uint64_t& state) {
    state += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

}  // namespace

std::string shape_text(const Shape& shape) {
    std::string text;
    for (const int size : shape) text += (text.empty() ? "" : ",") + std::to_string(size);
    return text;
}

// A mat between layers may be packed: its outermost axis then counts groups of elempack.
Shape shape_of(const ncnn::Mat& mat) {
    Shape shape;
    if (mat.dims >= 3) shape.push_back(mat.c);
    if (mat.dims == 4) shape.push_back(mat.d);
    if (mat.dims >= 2) shape.push_back(mat.h);
    if (mat.dims >= 1) shape.push_back(mat.w);
    if (!shape.empty()) shape.front() *= mat.elempack;
    return shape;
}

std::size_t element_count(const Shape& shape) {
    std::size_t count = 1;
    for (const int size : shape) count *= static_cast<std::size_t>(size);
    return count;
}

ncnn::Mat make_mat(const Shape& shape) {
    ncnn::Mat mat;
    if (shape.size() == 1) mat.create(shape[0]);
    if (shape.size() == 2) mat.create(shape[1], shape[0]);
    if (shape.size() == 3) mat.create(shape[2], shape[1], shape[0]);
    if (mat.empty()) throw Failure(Exit::input, "no memory for an input of " + shape_text(shape));
    return mat;
}

std::vector<float> flatten(const ncnn::Mat& mat) {
    std::vector<float> values;
    const std::size_t plane = static_cast<std::size_t>(mat.w) * static_cast<std::size_t>(mat.h) *
                              static_cast<std::size_t>(std::max(1, mat.d));
    values.reserve(plane * static_cast<std::size_t>(mat.c));
    for (int c = 0; c < mat.c; ++c) {
        const float* const first = mat.channel(c);
        values.insert(values.end(), first, first + plane);
    }
    return values;
}

ncnn::Mat splitmix_mat(const Shape& shape, std::uint64_t seed) {
    ncnn::Mat mat = make_mat(shape);
    const std::size_t plane = static_cast<std::size_t>(mat.w) * static_cast<std::size_t>(mat.h);
    for (int c = 0; c < mat.c; ++c) {
        float* const first = mat.channel(c);
        for (std::size_t i = 0; i < plane; ++i)
            first[i] = static_cast<float>(next_splitmix(seed) >> 40) * 0x1p-24f * 2.f - 1.f;
    }
    return mat;
}

bool all_finite(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

std::string describe_output(const std::string& blob, const ncnn::Mat& mat, const std::string& folder,
                            const std::string& prefix) {
    const std::vector<float> values = flatten(mat);
    json::Object line;
    line.text("type", "output").text("name", blob).raw("shape", json::integers(shape_of(mat)));
    if (!folder.empty()) {
        const std::string path = folder + "/" + prefix + file_name(blob) + ".f32";
        write_floats(path, values.data(), values.size());
        line.text("file", path);
    }
    return line.boolean("finite", all_finite(values)).str();
}

}  // namespace nnrun
