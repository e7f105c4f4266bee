#pragma once

#include <net.h>

#include <string>
#include <vector>

#include "net/graph.h"

namespace nnrun {

// The largest tile that Winograd convolutions may use: a larger one multiplies less and
// rounds more. "auto" is 63, and 43 where fp16 arithmetic is requested: there the
// transforms of F(6,3) lose too much.
std::vector<std::string> winograd_choices();
void set_winograd(ncnn::Option& option, const std::string& largest);

// Layers that a mask keeps from fp16 have fp32's tiles under "auto". After the .param was read,
// before the weights are.
void free_masked_layers(ncnn::Net& net, const std::string& largest);

// What was requested, and what this build of ncnn really does on this CPU with this net.
struct Precision {
    std::string requested;
    std::string storage;     // of blobs and weights between layers: fp32, fp16, bf16
    std::string arithmetic;  // of the layers that are not quantised: fp32, fp16, bf16
    std::string label;       // for a table: fp32, fp16, fp16-storage, bf16-storage, bf16, int8+fp16, int8+fp16 (17/53) …
    int quantized_layers = 0;
    int fp16_weight_layers = 0;  // fp32 blobs, weights kept in fp16 (InnerProduct on some CPUs)
    int layers = 0;
};

void set_precision(ncnn::Option& option, const std::string& requested);

// Requesting int8 of a net without quantised layers, or floats of a quantised one,
// is a Failure: ncnn would run something else, or nonsense.
void check_precision(const Graph& graph, const std::string& requested, const std::string& path);

// After loading: layers decide what they support while they are created.
Precision real_precision(const ncnn::Net& net, const Graph& graph, const std::string& requested);

}  // namespace nnrun
