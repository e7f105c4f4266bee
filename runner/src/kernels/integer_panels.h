#pragma once

#include <cstddef>

#include "kernels/quantised_rows.h"

namespace nnrun {

// Panels of eight columns of integers with a scale a block, one after another: piyard/convert/language/panels.py
// has the layout.
struct IntegerPanels {
    std::size_t count = 1;
    int bits = 8;
    int block = 32;
    std::size_t blocks = 0;
    const unsigned char* weights = nullptr;
    const unsigned short* scales = nullptr;  // fp16, eight a block
    const unsigned short* minima = nullptr;  // the same, or null
};

// sums[panel][row][8] of all rows, with room for whole tiles; of more than one tile a panel at a time. The integers of a block are
// multiplied and added exactly, then each block's sum is scaled and added to the float of those before it, rounding once. So the result is
// the same on every machine and whatever rows are beside a row. `unpacked` has room for the integers of a panel, a byte each.
using IntegerProduct = void (*)(const IntegerPanels& panels, const QuantisedRows& rows, float* sums, signed char* unpacked);

// The fastest that this CPU can.
IntegerProduct integer_product();

void multiply_integers(const IntegerPanels& panels, const QuantisedRows& rows, float* sums, signed char* unpacked);
// With the dot product instructions of ARMv8.2, where asimddp is there.
void multiply_integers_armv82(const IntegerPanels& panels, const QuantisedRows& rows, float* sums, signed char* unpacked);

// A block's integers of one panel as [block / 4][8 columns][4].
void unpack_block(int bits, int block, const unsigned char* packed, signed char* integers);

}  // namespace nnrun
