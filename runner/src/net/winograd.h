#pragma once

#include <net.h>

#include <string>
#include <vector>

namespace nnrun {

// The largest tile that Winograd convolutions may use: a larger one multiplies less and
// rounds more. "auto" is 63, and 43 where fp16 arithmetic is asked for: there the
// transforms of F(6,3) lose too much.
std::vector<std::string> winograd_choices();
void set_winograd(ncnn::Option& option, const std::string& largest);

// Layers that a mask keeps from fp16 have fp32's tiles under "auto". After the .param was read,
// before the weights are.
void free_masked_layers(ncnn::Net& net, const std::string& largest);

}  // namespace nnrun
