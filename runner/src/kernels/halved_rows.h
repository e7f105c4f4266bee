#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/row_tiles.h"

namespace nnrun {

// Up to eight rows of inputs in fp16: for each input [rows] halves. What is computed from a row is multiplied by
// its scale, a power of two: the largest magnitude of the halves is from 8 to below 16, so that nothing overflows.
struct HalvedTile : RowTile {
    const unsigned short* values = nullptr;
    const float* scales = nullptr;
};

class HalvedRows {
public:
    // `rows` lie `inputs` apart.
    HalvedRows(const float* rows, int count, int inputs, int threads);

    const std::vector<HalvedTile>& tiles() const { return tiles_; }

private:
    std::unique_ptr<unsigned short[]> values_;
    std::unique_ptr<float[]> scales_;
    std::vector<HalvedTile> tiles_;
};

// sums[panel][row][8] of fp16 panels that lie one after another, with room for whole tiles; of more than one tile a
// panel at a time. Products of 32 inputs are added in fp16, rounding once each, and those sums in fp32, so a
// row's result does not depend on the rows beside it.
using HalfProduct = void (*)(const unsigned short* panels, std::size_t count, int inputs, const HalvedRows& rows, float* sums);

// Null where the CPU does not compute in fp16.
HalfProduct half_product();

void multiply_halves_armv82(const unsigned short* panels, std::size_t count, int inputs, const HalvedRows& rows, float* sums);

}  // namespace nnrun
