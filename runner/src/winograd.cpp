#include "winograd.h"

namespace nnrun {
namespace {

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

}  // namespace nnrun
