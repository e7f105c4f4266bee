#include "net/shape.h"

#include "core/failure.h"
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
        throw Failure(Exit::input, "no memory for an input of " + shown(shape) + "; use a smaller one");
}

std::size_t element_count(const Shape& shape) {
    std::size_t count = 1;
    for (const int size : shape) count *= static_cast<std::size_t>(size);
    return count;
}

std::string shown(const Shape& shape) {
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

}  // namespace nnrun
