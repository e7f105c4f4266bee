#pragma once

#include <net.h>

#include <string>
#include <vector>

namespace nnrun {

class Attention;
class LinearQ;

// The layers that nnrun brings itself.
bool is_own_layer(const std::string& type);

// Before the .param is read.
void register_own_layers(ncnn::Net& net);

// "" or what is wrong with the layer's parameters; any other layer has nothing wrong here.
std::string own_layer_problem(const ncnn::Layer& layer);

// In the order of the .param. `name` finds one, or null.
std::vector<LinearQ*> linear_layers(ncnn::Net& net);
std::vector<Attention*> attention_layers(ncnn::Net& net);
LinearQ* linear_layer(ncnn::Net& net, const std::string& name);

}  // namespace nnrun
