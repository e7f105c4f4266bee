#include "kernels/own_layers.h"

#include "kernels/attention.h"
#include "kernels/linear.h"

namespace nnrun {
namespace {

template <typename T>
ncnn::Layer* create(void*) {
    return new T;
}

void destroy(ncnn::Layer* layer, void*) { delete layer; }

template <typename T>
std::vector<T*> layers_of(ncnn::Net& net, const char* type) {
    std::vector<T*> found;
    for (ncnn::Layer* layer : net.mutable_layers())
        if (layer->type == type) found.push_back(static_cast<T*>(layer));
    return found;
}

const char* const linear = "LinearQ";
const char* const attention = "Attention";

}  // namespace

bool is_own_layer(const std::string& type) { return type == linear || type == attention; }

void register_own_layers(ncnn::Net& net) {
    net.register_custom_layer(linear, create<LinearQ>, destroy);
    net.register_custom_layer(attention, create<Attention>, destroy);
}

std::string own_layer_problem(const ncnn::Layer& layer) {
    if (layer.type == linear) return static_cast<const LinearQ&>(layer).shape().problem();
    if (layer.type == attention) return static_cast<const Attention&>(layer).shape().problem();
    return "";
}

std::vector<LinearQ*> linear_layers(ncnn::Net& net) { return layers_of<LinearQ>(net, linear); }

std::vector<Attention*> attention_layers(ncnn::Net& net) { return layers_of<Attention>(net, attention); }

LinearQ* linear_layer(ncnn::Net& net, const std::string& name) {
    for (LinearQ* layer : linear_layers(net))
        if (layer->name == name) return layer;
    return nullptr;
}

}  // namespace nnrun
