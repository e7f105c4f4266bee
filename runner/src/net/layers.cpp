#include "net/layers.h"

#include <initializer_list>
#include <map>

#include "kernels/own_layers.h"

namespace nnrun {
namespace {

struct Arity {
    int inputs = 1;
    int outputs = 1;
};

// The least that a layer's forward() takes which is given a list of blobs (ncnn 1.0.20261020).
// All that is not here takes one or more and makes one or more.
const std::map<std::string, Arity>& min_arity_by_type() {
    static const std::map<std::string, Arity> table{
        {"BinaryOp", {2, 1}},     {"CopyTo", {2, 1}},          {"Crop", {2, 1}},       {"DeformableConv2D", {2, 1}},
        {"Eltwise", {2, 1}},      {"DetectionOutput", {3, 1}}, {"GridSample", {2, 1}}, {"Interp", {2, 1}},
        {"MatMul", {2, 1}},       {"MemoryData", {0, 1}},      {"Noop", {0, 0}},       {"Proposal", {3, 1}},
        {"PSROIPooling", {2, 1}}, {"ROIAlign", {2, 1}},        {"ROIPooling", {2, 1}}, {"RotaryEmbed", {3, 1}},
        {"Scale", {2, 1}},
    };
    return table;
}

int flag(const GraphLayer& entry, int key) { return entry.param(key, 0) != 0 ? 1 : 0; }

bool is_convolution(const std::string& type) { return type.rfind("Convolution", 0) == 0 || type.rfind("Deconvolution", 0) == 0; }

// A mask, and two caches, which it also gives back.
Arity attention(const GraphLayer& entry, int tensors) {
    const int cached = flag(entry, 7);
    return {tensors + flag(entry, 5) + 2 * cached, 1 + 2 * cached};
}

// The second blob is the picture, unless parameters give its size.
Arity prior_box(const GraphLayer& entry) {
    const bool wide = entry.param(9, 0) == -233;
    const bool high = entry.param(10, 0) == -233;
    const bool relative = wide && high && !entry.has(1);
    return {(wide || high) && !relative ? 2 : 1, 1};
}

Arity min_arity(const GraphLayer& entry, const ncnn::Layer& layer) {
    if (entry.type == "Input") return {0, 1};
    if (layer.one_blob_only) return {1, 1};
    // Their weights come as a blob, and so does the bias.
    if (is_convolution(entry.type)) return {2 + flag(entry, 5), 1};
    if (entry.type == "Gemm") return {2 - flag(entry, 4) - flag(entry, 5), 1};
    if (entry.type == "MultiHeadAttention") return attention(entry, 1);
    if (entry.type == "SDPA") return attention(entry, 3);
    if (entry.type == "PriorBox") return prior_box(entry);
    const auto arity = min_arity_by_type().find(entry.type);
    return arity == min_arity_by_type().end() ? Arity{} : arity->second;
}

std::string blobs(int count) { return std::to_string(count) + (count == 1 ? " blob" : " blobs"); }

}  // namespace

std::string arity_error(const GraphLayer& entry, const ncnn::Layer& layer) {
    const Arity needed = min_arity(entry, layer);
    const int inputs = static_cast<int>(entry.bottoms.size());
    const int outputs = static_cast<int>(entry.tops.size());
    if (inputs < needed.inputs) return "reads " + blobs(inputs) + " and needs " + std::to_string(needed.inputs);
    if (outputs < needed.outputs) return "produces " + blobs(outputs) + " and should produce " + std::to_string(needed.outputs);
    // What else it would be given has no meaning for it.
    if (is_own_layer(entry.type) && (inputs > needed.inputs + (entry.type == "LinearQ" ? 1 : 0) || outputs > 1))
        return "reads " + blobs(inputs) + " and produces " + blobs(outputs) + ", which is more than it can";
    // What is changed in place is handed on, one for one.
    if (!layer.one_blob_only && layer.support_inplace && outputs > inputs)
        return "produces " + blobs(outputs) + " from " + blobs(inputs) + ", which it changes in place";
    return "";
}

namespace {

bool is_type(const GraphLayer& layer, std::initializer_list<const char*> types) {
    for (const char* type : types)
        if (layer.type == type) return true;
    return false;
}

// In 64 bits: a file's parameters are any numbers of 32.
using Wide = long long;

std::string channels(Wide expected, Wide actual) {
    if (expected <= 0 || expected == actual) return "";
    return "takes " + std::to_string(expected) + " channels and gets " + std::to_string(actual);
}

// Negative paddings mean "same" (-233, -234): then any size fits.
bool fits(Wide size, Wide kernel, Wide dilation, Wide before, Wide after) {
    return before < 0 || after < 0 || size + before + after >= (kernel - 1) * dilation + 1;
}

std::string window_of(const Shape& shape, bool wide_enough, bool high_enough) {
    return wide_enough && high_enough ? "" : "has a window larger than its input of " + format_shape(shape);
}

std::string convolution_window(const GraphLayer& layer, const Shape& shape) {
    const int kernel = layer.param(1, 0);
    const int dilation = layer.param(2, 1);
    const int left = layer.param(4, 0);
    const int top = layer.param(14, left);
    return window_of(shape, fits(shape[2], kernel, dilation, left, layer.param(15, left)),
                     fits(shape[1], layer.param(11, kernel), layer.param(12, dilation), top, layer.param(16, top)));
}

Wide taps_of(const GraphLayer& layer) {
    const int kernel_w = layer.param(1, 0);
    return static_cast<Wide>(kernel_w) * layer.param(11, kernel_w);
}

// By the number of weights, those of one of the groups.
Wide inputs_of(const GraphLayer& layer, Wide outputs, Wide taps) {
    return static_cast<Wide>(layer.param(6, 0)) / outputs / taps * layer.param(7, 1);
}

std::string convolution(const GraphLayer& layer, const Shape& shape) {
    const Wide outputs = layer.param(0, 0);
    const Wide taps = taps_of(layer);
    if (outputs <= 0 || taps <= 0 || layer.param(19, 0) != 0) return "";
    const Wide inputs = inputs_of(layer, outputs, taps);
    if (shape.size() == 1 && taps == 1) return channels(inputs, shape[0]);
    if (shape.size() != 3) return "takes three dimensions and gets " + format_shape(shape);
    const std::string error = channels(inputs, shape[0]);
    return error.empty() ? convolution_window(layer, shape) : error;
}

std::string deconvolution(const GraphLayer& layer, const Shape& shape) {
    const Wide outputs = layer.param(0, 0);
    const Wide taps = taps_of(layer);
    if (outputs <= 0 || taps <= 0 || layer.param(28, 0) != 0) return "";
    if (shape.size() != 3) return "takes three dimensions and gets " + format_shape(shape);
    return channels(inputs_of(layer, outputs, taps), shape[0]);
}

std::string convolution_1d(const GraphLayer& layer, const Shape& shape) {
    const Wide outputs = layer.param(0, 0);
    const Wide taps = layer.param(1, 0);
    if (outputs <= 0 || taps <= 0 || layer.param(19, 0) != 0) return "";
    if (shape.size() != 2) return "takes two dimensions and gets " + format_shape(shape);
    return channels(inputs_of(layer, outputs, taps), shape[0]);
}

std::string inner_product(const GraphLayer& layer, const Shape& shape) {
    const int outputs = layer.param(0, 0);
    if (outputs <= 0) return "";
    const auto expected = static_cast<std::size_t>(layer.param(2, 0) / outputs);
    const bool row_by_row = shape.size() == 2 && static_cast<std::size_t>(shape[1]) == expected;
    if (row_by_row || element_count(shape) == expected) return "";
    return "takes " + std::to_string(expected) + " values and gets " + format_shape(shape);
}

std::string gemm(const GraphLayer& layer, const Shape& shape) {
    const bool constant_b = layer.param(4, 0) == 0 && layer.param(5, 0) != 0;
    const int inner = layer.param(9, 0);
    if (!constant_b || inner <= 0 || shape.empty()) return "";
    // A transposed A is read down its columns.
    const int actual = layer.param(2, 0) != 0 ? shape.front() : shape.back();
    return actual == inner ? "" : "takes rows of " + std::to_string(inner) + " values and gets " + format_shape(shape);
}

// Of nnrun's own layers; rows, or one without an axis of its own.
std::string row_size(Wide expected, const Shape& shape) {
    if (shape.size() <= 2 && shape.back() == expected) return "";
    return "takes rows of " + std::to_string(expected) + " values and gets " + format_shape(shape);
}

std::string linear(const GraphLayer& layer, const std::vector<Shape>& bottoms) {
    const std::string error = row_size(layer.param(1, 0), bottoms[0]);
    if (!error.empty() || bottoms.size() < 2) return error;
    Shape made = bottoms[0];
    made.back() = layer.param(0, 0);
    return bottoms[1] == made ? "" : "produces " + format_shape(made) + " and cannot add " + format_shape(bottoms[1]);
}

std::string attention_rows(const GraphLayer& layer, const Shape& shape) {
    return row_size((static_cast<Wide>(layer.param(0, 0)) + 2 * static_cast<Wide>(layer.param(1, 0))) * layer.param(2, 0), shape);
}

std::string pooling(const GraphLayer& layer, const Shape& shape) {
    const bool whole = layer.param(4, 0) != 0 || layer.param(7, 0) != 0;
    const bool same = layer.param(5, 0) >= 2;
    if (shape.size() != 3) return "takes three dimensions and gets " + format_shape(shape);
    if (whole || same) return "";
    const int kernel = layer.param(1, 0);
    const int left = layer.param(3, 0);
    const int top = layer.param(13, left);
    return window_of(shape, fits(shape[2], kernel, 1, left, layer.param(14, left)),
                     fits(shape[1], layer.param(11, kernel), 1, top, layer.param(15, top)));
}

// ncnn counts nothing here, and reads past the end of what is too small.
std::string reshapable(const GraphLayer& layer, const Shape& shape) {
    constexpr int absent = -233;
    if (layer.has(6) || layer.has(12) || layer.has(13)) return "";  // a formula, or an axis of the batch
    Wide product = 1;
    bool inferred = false;
    for (const int key : {0, 1, 11, 2}) {
        const int size = layer.param(key, absent);
        if (size == 0) return "";  // as the input's
        if (size == -1) inferred = true;
        if (size < 1) continue;
        if (product > static_cast<Wide>(element_count(shape)) / size)
            return "produces more values than its input of " + format_shape(shape);
        product *= size;
    }
    const auto values = static_cast<Wide>(element_count(shape));
    return (inferred ? values % product == 0 : values == product)
               ? ""
               : "does not produce as many values as its input of " + format_shape(shape);
}

std::string same_shapes(const std::vector<Shape>& bottoms) {
    for (const Shape& shape : bottoms)
        if (shape != bottoms[0]) return "takes equal shapes and gets " + format_shape(bottoms[0]) + " and " + format_shape(shape);
    return "";
}

std::string joinable(const GraphLayer& layer, const std::vector<Shape>& bottoms) {
    const int dims = static_cast<int>(bottoms[0].size());
    const int axis = layer.param(0, 0) < 0 ? layer.param(0, 0) + dims : layer.param(0, 0);
    for (Shape shape : bottoms) {
        const std::string pair = format_shape(bottoms[0]) + " and " + format_shape(shape);
        if (axis < 0 || axis >= dims || static_cast<int>(shape.size()) != dims) return "cannot join " + pair;
        shape[static_cast<std::size_t>(axis)] = bottoms[0][static_cast<std::size_t>(axis)];
        if (shape != bottoms[0]) return "cannot join " + pair;
    }
    return "";
}

// BinaryOp repeats a size of one; any other difference is a mistake.
std::string broadcastable(const std::vector<Shape>& bottoms) {
    if (bottoms.size() != 2 || bottoms[0].size() != bottoms[1].size()) return "";
    for (std::size_t i = 0; i < bottoms[0].size(); ++i)
        if (bottoms[0][i] != bottoms[1][i] && bottoms[0][i] != 1 && bottoms[1][i] != 1)
            return "cannot combine " + format_shape(bottoms[0]) + " and " + format_shape(bottoms[1]);
    return "";
}

}  // namespace

std::string shape_error(const GraphLayer& layer, const std::vector<Shape>& bottoms) {
    if (bottoms.empty() || bottoms[0].empty()) return "";
    const Shape& shape = bottoms[0];
    if (is_type(layer, {"Convolution", "ConvolutionDepthWise"})) return convolution(layer, shape);
    if (is_type(layer, {"Deconvolution", "DeconvolutionDepthWise"})) return deconvolution(layer, shape);
    if (is_type(layer, {"Convolution1D", "ConvolutionDepthWise1D"})) return convolution_1d(layer, shape);
    if (layer.type == "InnerProduct") return inner_product(layer, shape);
    if (layer.type == "Gemm") return gemm(layer, shape);
    if (layer.type == "LinearQ") return linear(layer, bottoms);
    if (layer.type == "Attention") return attention_rows(layer, shape);
    if (layer.type == "Pooling") return pooling(layer, shape);
    if (layer.type == "Reshape") return reshapable(layer, shape);
    if (layer.type == "BatchNorm") return channels(layer.param(0, 0), shape[0]);
    if (is_type(layer, {"Scale", "Bias"}) && bottoms.size() == 1) return channels(layer.param(0, 0), shape[0]);
    if (layer.type == "PReLU" && layer.param(0, 0) > 1) return channels(layer.param(0, 0), shape[0]);
    if (layer.type == "Concat") return joinable(layer, bottoms);
    if (layer.type == "GroupNorm") return channels(layer.param(1, 0), shape[0]);
    if (layer.type == "InstanceNorm") return channels(layer.param(0, 0), shape[0]);
    if (layer.type == "Eltwise") return same_shapes(bottoms);
    if (layer.type == "BinaryOp" && layer.param(1, 0) == 0) return broadcastable(bottoms);
    return "";
}

}  // namespace nnrun
