#pragma once

#include <cstddef>

#include "kernels/quantised_rows.h"

namespace nnrun {

// A panel of eight columns of integers with a scale a block: piyard/convert/language/panels.py has the layout.
struct IntegerPanel {
    int bits = 8;
    int block = 32;
    std::size_t blocks = 0;
    const unsigned char* weights = nullptr;
    const unsigned short* scales = nullptr;  // fp16, eight a block
    const unsigned short* minima = nullptr;  // the same, or null
};

// sums[row][8] of all rows: the integers of a block are multiplied and added exactly, then each block's sum is
// scaled and added to the float of those before it, rounding once. So the result is the same on every machine
// and whatever rows are beside a row.
using IntegerProduct = void (*)(const IntegerPanel& panel, const QuantisedRows& rows, float* sums);

// The fastest that this CPU can.
IntegerProduct integer_product();

void multiply_integers(const IntegerPanel& panel, const QuantisedRows& rows, float* sums);
// With the dot product instructions of ARMv8.2, where asimddp is there.
void multiply_integers_armv82(const IntegerPanel& panel, const QuantisedRows& rows, float* sums);

// A block's integers of one panel as [block / 4][8 columns][4].
void unpack_block(int bits, int block, const unsigned char* packed, signed char* integers);

}  // namespace nnrun
