#include "kernels/linear_shape.h"

#include <initializer_list>

namespace nnrun {
namespace {

// Far beyond any model, and small enough that no product of sizes overflows 64 bits.
constexpr int max_inputs = 1 << 20;
constexpr int max_outputs = 1 << 24;
// ModelBin::load counts words of four bytes in an int.
constexpr std::size_t max_bytes = std::size_t{4} * 0x7fffffff;

bool one_of(int value, std::initializer_list<int> choices) {
    for (const int choice : choices)
        if (value == choice) return true;
    return false;
}

std::string flag_problem(const LinearShape& shape) {
    if (!one_of(shape.bias, {0, 1})) return "has a bias parameter of " + std::to_string(shape.bias) + ", not 0 or 1";
    if (!one_of(shape.affine, {0, 1})) return "has an affine parameter of " + std::to_string(shape.affine) + ", not 0 or 1";
    if (!one_of(shape.gate, {0, 1})) return "has a gate parameter of " + std::to_string(shape.gate) + ", not 0 or 1";
    const int norm = static_cast<int>(shape.norm), activation = static_cast<int>(shape.activation);
    if (!one_of(norm, {0, 1, 2})) return "has norm " + std::to_string(norm) + ", not 0 to 2";
    if (!one_of(activation, {0, 1, 2, 3, 4})) return "has activation " + std::to_string(activation) + ", not 0 to 4";
    if (shape.gate != 0 && activation != 0) return "has both a gate and an activation; it can have one";
    // Written so that a NaN is refused.
    if (!(shape.eps >= 0 && shape.eps < 1)) return "has an epsilon that is not from 0 to below 1";
    return "";
}

std::string format_problem(const LinearShape& shape) {
    if (!one_of(shape.bits, {4, 6, 8, 16, 32})) return "has weights of " + std::to_string(shape.bits) + " bits, not 4, 6, 8, 16 or 32";
    if (shape.quantised() && !one_of(shape.block, {32, 64, 128}))
        return "has blocks of " + std::to_string(shape.block) + ", not 32, 64 or 128";
    if (!shape.quantised() && (shape.block != 0 || shape.affine != 0)) return "has floats, which have no blocks and no minima";
    return "";
}

}  // namespace

std::string LinearShape::problem() const {
    if (outputs < 1 || outputs > max_outputs)
        return "produces " + std::to_string(outputs) + " values, not 1 to " + std::to_string(max_outputs);
    if (inputs < 1 || inputs > max_inputs) return "takes " + std::to_string(inputs) + " values, not 1 to " + std::to_string(max_inputs);
    for (const std::string& error : {flag_problem(*this), format_problem(*this)})
        if (!error.empty()) return error;
    if (panels() * panel_bytes() > max_bytes) return "has more weights than can be addressed";
    return "";
}

std::size_t LinearShape::blocks() const {
    if (!quantised()) return 0;
    return (static_cast<std::size_t>(inputs) + static_cast<std::size_t>(block) - 1) / static_cast<std::size_t>(block);
}

std::size_t LinearShape::depth() const {
    return quantised() ? blocks() * static_cast<std::size_t>(block) : static_cast<std::size_t>(inputs);
}

std::size_t LinearShape::panel_bytes() const { return depth() * panel_columns * static_cast<std::size_t>(bits) / 8; }

}  // namespace nnrun
