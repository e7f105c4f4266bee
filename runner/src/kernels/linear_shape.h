#pragma once

#include <cstddef>
#include <string>

namespace nnrun {

enum class Norm { none = 0, rms = 1, layer = 2 };
enum class Activation { none = 0, gelu = 1, quick_gelu = 2, tanh_gelu = 3, silu = 4 };

// Columns of a panel: this many outputs lie side by side in the file.
constexpr int panel_columns = 8;

// The parameters of a LinearQ, as its .param says them.
struct LinearShape {
    int outputs = 0;
    int inputs = 0;
    int bits = 32;  // 32, 16: floats; 8, 6, 4: integers with a scale a block
    int block = 0;  // inputs that share a scale
    int bias = 0;
    int affine = 0;  // a minimum beside the scale
    Norm norm = Norm::none;
    float eps = 0;
    int gate = 0;
    Activation activation = Activation::none;

    // "" or what is wrong with it, which a line can begin "layer x (LinearQ) ".
    std::string problem() const;

    bool quantised() const { return bits < 16; }
    // Rows of the matrix: with a gate the rows of both halves.
    int rows() const { return gate != 0 ? 2 * outputs : outputs; }
    // Of one half where there is a gate.
    std::size_t output_panels() const { return (static_cast<std::size_t>(outputs) + panel_columns - 1) / panel_columns; }
    std::size_t panels() const { return output_panels() * (gate != 0 ? 2 : 1); }
    // In a row, the last one filled up with zeros.
    std::size_t blocks() const;
    // Inputs as they are stored: whole blocks.
    std::size_t depth() const;
    std::size_t panel_bytes() const;
    // Of the scales, and as many minima.
    std::size_t scale_count() const { return panels() * blocks() * panel_columns; }
};

}  // namespace nnrun
