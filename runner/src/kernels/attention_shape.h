#pragma once

#include <string>

namespace nnrun {

// The parameters of an Attention, as its .param says them.
struct AttentionShape {
    int heads = 0;
    int kv_heads = 0;
    int head_size = 0;
    float scale = 0;
    int rotary = 0;  // values of a head that turn with the position, the first ones
    int qk_norm = 0;
    float eps = 0;
    int causal = 0;

    // "" or what is wrong with it, which a line can begin "layer x (Attention) ".
    std::string problem() const;

    int group() const { return heads / kv_heads; }
    int outputs() const { return heads * head_size; }
    int inputs() const { return (heads + 2 * kv_heads) * head_size; }
};

}  // namespace nnrun
