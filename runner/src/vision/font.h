#pragma once

namespace nnrun {

// A small font: each letter is five columns wide and seven rows high, with two more rows below the
// line for the likes of g and y.
constexpr int glyph_columns = 5;
constexpr int glyph_rows = 9;

// Is the glyph black there? What is not printable ASCII is a hollow box.
bool glyph_bit(char letter, int column, int row);

}  // namespace nnrun
