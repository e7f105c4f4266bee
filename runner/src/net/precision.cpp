#include "net/precision.h"

#include <cpu.h>
#include <layer.h>

#include <algorithm>
#include <set>

#include "core/failure.h"
#include "core/text.h"

namespace nnrun {
namespace {

// Featmask bits of parameter 31 (ncnn's net.cpp, get_masked_option).
constexpr int no_fp16_arithmetic = 1;
constexpr int no_fp16_storage = 2;
// Either mask takes both from a layer (toolchains/patches/02).
constexpr int no_fp16 = no_fp16_arithmetic | no_fp16_storage;
constexpr int no_bf16_storage = 4;
// Set by piyard's ncnn alone (toolchains/patches/02).
constexpr int with_winograd63 = 1 << 8;

std::string resolved(const ncnn::Option& option, const std::string& largest) {
    if (largest != "auto") return largest;
    return option.use_fp16_arithmetic ? "43" : "63";
}

}  // namespace

std::vector<std::string> winograd_choices() { return {"auto", "63", "43", "23", "off"}; }

void set_winograd(ncnn::Option& option, const std::string& largest) {
    const std::string tile = resolved(option, largest);
    option.use_winograd_convolution = tile != "off";
    option.use_winograd23_convolution = tile != "off";
    option.use_winograd43_convolution = tile == "63" || tile == "43";
    option.use_winograd63_convolution = tile == "63";
}

void free_masked_layers(ncnn::Net& net, const std::string& largest) {
    if (largest != "auto") return;
    for (ncnn::Layer* layer : net.mutable_layers())
        if ((layer->featmask & no_fp16) != 0) layer->featmask |= with_winograd63;
}

namespace {

int quantize_term(const GraphLayer& layer) {
    for (const char* type : {"Convolution", "ConvolutionDepthWise", "InnerProduct", "LSTM", "GRU", "RNN"})
        if (layer.type == type) return layer.param(8, 0);
    for (const char* type : {"Gemm", "MultiHeadAttention", "SDPA", "Embed"})
        if (layer.type == type) return layer.param(18, 0);
    return 0;
}

int count_quantized(const Graph& graph) {
    int count = 0;
    for (const GraphLayer& layer : graph.layers()) count += quantize_term(layer) != 0 ? 1 : 0;
    return count;
}

// Mirrors ncnn's convert_layout(): blobs become fp16 only on ARM. With asimdhp nearly
// every layer takes them; without it (Cortex-A53, A72) only the few that convert with
// plain NEON, Gemm first of all, and they compute in fp32.
bool stores_fp16(const ncnn::Layer& layer, const ncnn::Option& option) {
    if (!option.use_fp16_storage || (layer.featmask & no_fp16) != 0 || !layer.support_fp16_storage) return false;
#if NCNN_ARM82
    if (ncnn::cpu_support_arm_asimdhp() != 0) return true;
#endif
#if NCNN_VFPV4
    return ncnn::cpu_support_arm_vfpv4() != 0;
#else
    return false;
#endif
}

// Depthwise convolutions sum in fp32 (toolchains/patches/01); grouped ones do not.
bool is_depthwise(const GraphLayer& entry) {
    const int kernel = entry.param(1, 0), group = entry.param(7, 1);
    return entry.type == "ConvolutionDepthWise" && entry.param(0, 0) == group &&
           entry.param(6, 0) == group * kernel * entry.param(11, kernel);
}

bool computes_fp16(const ncnn::Layer& layer, const ncnn::Option& option) {
    return stores_fp16(layer, option) && ncnn::cpu_support_arm_asimdhp() != 0 && option.use_fp16_arithmetic;
}

bool stores_bf16(const ncnn::Layer& layer, const ncnn::Option& option) {
#if NCNN_BF16
    return option.use_bf16_storage && (layer.featmask & no_bf16_storage) == 0 && layer.support_bf16_storage;
#else
    (void)layer;
    (void)option;
    return false;
#endif
}

bool multiplies_bf16() {
#if NCNN_ARM84BF16
    if (ncnn::cpu_support_arm_bf16() != 0) return true;
#endif
#if NCNN_AVX512BF16
    if (ncnn::cpu_support_x86_avx512_bf16() != 0) return true;
#endif
    return false;
}

// InnerProduct halves its weights where the CPU converts fp16, and computes in fp32.
bool keeps_fp16_weights(const ncnn::Layer& layer, const ncnn::Option& option) {
    if (layer.type != "InnerProduct" || !option.use_fp16_storage || (layer.featmask & no_fp16) != 0) return false;
    if (stores_fp16(layer, option)) return false;
#if NCNN_VFPV4
    if (ncnn::cpu_support_arm_vfpv4() != 0) return true;
#endif
#if NCNN_F16C
    if (ncnn::cpu_support_x86_f16c() != 0) return true;
#endif
    return false;
}

// Layers that hold weights or multiply are what a precision is about: a net is not fp16
// because its Flatten moves fp16.
bool multiplies(const std::string& type) {
    static const std::vector<std::string> types = words(
        "Convolution ConvolutionDepthWise Convolution1D ConvolutionDepthWise1D Convolution3D ConvolutionDepthWise3D "
        "Deconvolution DeconvolutionDepthWise Deconvolution1D DeconvolutionDepthWise1D DeformableConv2D "
        "InnerProduct Gemm MatMul MultiHeadAttention SDPA LSTM GRU RNN Embed Einsum");
    return std::find(types.begin(), types.end(), type) != types.end();
}

struct Counts {
    int all = 0, fp16_stored = 0, fp16_computed = 0, bf16_stored = 0;
};

void count(Counts& counts, const GraphLayer& entry, const ncnn::Layer& layer, const ncnn::Option& option) {
    ++counts.all;
    counts.fp16_stored += stores_fp16(layer, option) ? 1 : 0;
    counts.fp16_computed += computes_fp16(layer, option) && !is_depthwise(entry) ? 1 : 0;
    counts.bf16_stored += stores_bf16(layer, option) ? 1 : 0;
}

// A net of which only a part has the format is called mixed.
std::string name_of(const std::string& format, int some, int all) {
    if (some == 0) return "fp32";
    return some == all ? format : "mixed-" + format + "-fp32";
}

// Of a weight of nnrun's own linear layers: one number, or several where layers differ.
std::set<int> bits_of(const Graph& graph) {
    std::set<int> bits;
    for (const GraphLayer& layer : graph.layers())
        if (layer.type == "LinearQ") bits.insert(layer.param(2, 32));
    return bits;
}

// Such a net computes in what its weights are stored in, whatever is requested: inputs of integers are rounded to int8.
Precision stored_precision(const Graph& graph, const std::string& requested, const std::set<int>& widths) {
    Precision precision{requested, "", "", "", 0, 0, 0};
    std::vector<std::string> names;
    for (const int bits : widths) names.push_back((bits < 16 ? "int" : "fp") + std::to_string(bits));
    for (const GraphLayer& layer : graph.layers()) {
        precision.layers += layer.type == "Input" ? 0 : 1;
        precision.quantized_layers += layer.type == "LinearQ" && layer.param(2, 32) < 16 ? 1 : 0;
    }
    precision.label = precision.storage = join(names, "+");
    precision.arithmetic = *widths.begin() < 16 ? "int8" : "fp32";
    return precision;
}

std::string label_of(const Precision& precision) {
    if (precision.storage == "fp32" && precision.fp16_weight_layers > 0) return "fp32 (fp16 weights)";
    if (precision.storage == precision.arithmetic) return precision.storage;
    if (precision.arithmetic == "fp32") return precision.storage + "-storage";
    return precision.storage + "-storage/" + precision.arithmetic;
}

// Of how many layers that multiply: a net of which a third is int8 is no int8 net.
std::string int8_label(const Precision& precision, int floats) {
    if (precision.quantized_layers == 0) return label_of(precision);
    const std::string share = std::to_string(precision.quantized_layers) + "/" + std::to_string(precision.quantized_layers + floats);
    return "int8+" + label_of(precision) + (floats > 0 ? " (" + share + ")" : "");
}

}  // namespace

void set_precision(ncnn::Option& option, const std::string& requested) {
    // int8 keeps fp16 for what is not quantised, as ncnn does by default; where the CPU
    // lacks fp16 that part falls back to fp32 and the label says so.
    const bool fp16 = requested == "fp16" || requested == "int8";
    const bool bf16 = requested == "bf16";
    const bool int8 = requested == "int8";
    option.use_fp16_packed = option.use_fp16_storage = option.use_fp16_arithmetic = fp16;
    option.use_bf16_packed = option.use_bf16_storage = bf16;
    option.use_int8_inference = int8;
    option.use_int8_packed = option.use_int8_storage = option.use_int8_arithmetic = int8;
}

void check_precision(const Graph& graph, const std::string& requested, const std::string& path) {
    const int quantized = count_quantized(graph);
    if (requested == "int8" && quantized == 0)
        throw Failure(Exit::model, path + ": --precision int8, but the net has no quantised layer; quantise it first");
    if (requested != "int8" && quantized > 0)
        throw Failure(Exit::model,
                      path + ": the net is quantised (layers: " + std::to_string(quantized) + "), so it runs only with --precision int8");
}

Precision real_precision(const ncnn::Net& net, const Graph& graph, const std::string& requested) {
    const std::set<int> widths = bits_of(graph);
    if (!widths.empty()) return stored_precision(graph, requested, widths);
    Precision precision{requested, "", "", "", 0, 0, 0};
    Counts multiplying, others;
    for (std::size_t i = 0; i < graph.layers().size(); ++i) {
        const GraphLayer& entry = graph.layers()[i];
        const ncnn::Layer& layer = *net.layers()[i];
        if (entry.type == "Input") continue;
        ++precision.layers;
        if (quantize_term(entry) != 0) {
            ++precision.quantized_layers;
            continue;
        }
        precision.fp16_weight_layers += keeps_fp16_weights(layer, net.opt) ? 1 : 0;
        count(multiplies(entry.type) ? multiplying : others, entry, layer, net.opt);
    }
    const Counts& decisive = multiplying.all > 0 ? multiplying : others;
    if (requested == "bf16") {
        precision.storage = name_of("bf16", decisive.bf16_stored, decisive.all);
        precision.arithmetic = multiplies_bf16() ? precision.storage : "fp32";
    } else {
        precision.storage = name_of("fp16", decisive.fp16_stored, decisive.all);
        precision.arithmetic = name_of("fp16", decisive.fp16_computed, decisive.all);
    }
    precision.label = int8_label(precision, multiplying.all);
    return precision;
}

}  // namespace nnrun
