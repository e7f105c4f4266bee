#include "kernels/attention_shape.h"

#include <cmath>

namespace nnrun {
namespace {

constexpr int max_heads = 1024;
constexpr int max_head_size = 1024;

bool is_flag(int value) { return value == 0 || value == 1; }

}  // namespace

std::string AttentionShape::problem() const {
    if (heads < 1 || heads > max_heads) return "has " + std::to_string(heads) + " heads, not 1 to " + std::to_string(max_heads);
    if (kv_heads < 1 || heads % kv_heads != 0)
        return "has " + std::to_string(heads) + " heads, not a multiple of its " + std::to_string(kv_heads) + " heads of keys";
    if (head_size < 8 || head_size > max_head_size || head_size % 8 != 0)
        return "has heads of " + std::to_string(head_size) + " values, not a multiple of 8 up to " + std::to_string(max_head_size);
    if (rotary < 0 || rotary > head_size || rotary % 2 != 0)
        return "rotates " + std::to_string(rotary) + " values of a head of " + std::to_string(head_size) +
               ", not an even number up to that";
    if (!std::isfinite(scale) || scale <= 0) return "has a scale that is not above 0";
    if (!is_flag(qk_norm) || !is_flag(causal)) return "has a flag that is neither 0 nor 1";
    if (!(eps >= 0 && eps < 1)) return "has an epsilon that is not from 0 to below 1";
    return "";
}

}  // namespace nnrun
