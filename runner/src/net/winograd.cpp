#include "net/winograd.h"

#include <layer.h>

namespace nnrun {
namespace {

// Bits of a layer's mask, parameter 31; the last is toolchains/patches/02's.
constexpr int no_fp16 = 1 | 2;
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

}  // namespace nnrun
