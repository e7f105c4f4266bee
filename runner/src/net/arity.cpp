#include "net/arity.h"

#include <map>

namespace nnrun {
namespace {

struct Arity {
    int inputs = 1;
    int outputs = 1;
};

// The least that a layer's forward() takes which is given a list of blobs (ncnn 1.0.20261020).
// All that is not here takes one or more and makes one or more.
const std::map<std::string, Arity>& least_by_type() {
    static const std::map<std::string, Arity> table{
        {"BinaryOp", {2, 1}},     {"CopyTo", {2, 1}},          {"Crop", {2, 1}},      {"DeformableConv2D", {2, 1}},
        {"Eltwise", {2, 1}},      {"DetectionOutput", {3, 1}}, {"GridSample", {2, 1}}, {"Interp", {2, 1}},
        {"MatMul", {2, 1}},       {"MemoryData", {0, 1}},      {"Noop", {0, 0}},      {"Proposal", {3, 1}},
        {"PSROIPooling", {2, 1}}, {"ROIAlign", {2, 1}},        {"ROIPooling", {2, 1}}, {"RotaryEmbed", {3, 1}},
        {"Scale", {2, 1}},
    };
    return table;
}

int flag(const GraphLayer& entry, int key) { return entry.param(key, 0) != 0 ? 1 : 0; }

bool is_convolution(const std::string& type) {
    return type.rfind("Convolution", 0) == 0 || type.rfind("Deconvolution", 0) == 0;
}

// A mask, and two caches, which it also gives back.
Arity attention(const GraphLayer& entry, int tensors) {
    const int cached = flag(entry, 7);
    return {tensors + flag(entry, 5) + 2 * cached, 1 + 2 * cached};
}

// The second blob is the picture whose size no parameter tells.
Arity prior_box(const GraphLayer& entry) {
    const bool wide = entry.param(9, 0) == -233;
    const bool high = entry.param(10, 0) == -233;
    const bool relative = wide && high && !entry.has(1);
    return {(wide || high) && !relative ? 2 : 1, 1};
}

Arity least(const GraphLayer& entry, const ncnn::Layer& layer) {
    if (entry.type == "Input") return {0, 1};
    if (layer.one_blob_only) return {1, 1};
    // Their weights come as a blob, and so does the bias.
    if (is_convolution(entry.type)) return {2 + flag(entry, 5), 1};
    if (entry.type == "Gemm") return {2 - flag(entry, 4) - flag(entry, 5), 1};
    if (entry.type == "MultiHeadAttention") return attention(entry, 1);
    if (entry.type == "SDPA") return attention(entry, 3);
    if (entry.type == "PriorBox") return prior_box(entry);
    const auto found = least_by_type().find(entry.type);
    return found == least_by_type().end() ? Arity{} : found->second;
}

std::string blobs(int count) { return std::to_string(count) + (count == 1 ? " blob" : " blobs"); }

}  // namespace

std::string miscounted(const GraphLayer& entry, const ncnn::Layer& layer) {
    const Arity needed = least(entry, layer);
    const int inputs = static_cast<int>(entry.bottoms.size());
    const int outputs = static_cast<int>(entry.tops.size());
    if (inputs < needed.inputs) return "reads " + blobs(inputs) + " and needs " + std::to_string(needed.inputs);
    if (outputs < needed.outputs) return "makes " + blobs(outputs) + " and should make " + std::to_string(needed.outputs);
    // What is changed in place is handed on, one for one.
    if (!layer.one_blob_only && layer.support_inplace && outputs > inputs)
        return "makes " + blobs(outputs) + " of " + blobs(inputs) + ", which it only changes";
    return "";
}

}  // namespace nnrun
