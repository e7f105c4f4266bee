#pragma once

#include <cstddef>

#include "kernels/floats.h"
#include "kernels/row_tiles.h"

namespace nnrun {

// Panels of eight columns. Each holds, for each of its `depth` inputs, eight values side by side, `stride` from
// those of the next input; the next panel begins `next` values after it. One of the two is 8: either a panel lies
// together, or the panels are columns of a matrix.
template <typename T>
struct FloatPanels {
    const T* values = nullptr;
    std::size_t count = 1;
    std::size_t next = 0;
    std::size_t stride = 8;
    int depth = 0;
};

// sums[row * sum_stride + column] = the row's product with a column of the panels, for 1 to 8 rows of `depth` floats
// which lie `row_stride` apart. What is computed for a row and a column does not depend on those beside them.
void multiply_panels(const float* rows, std::size_t row_stride, int count, const FloatPanels<float>& panels, float* sums,
                     std::size_t sum_stride);
void multiply_panels(const float* rows, std::size_t row_stride, int count, const FloatPanels<Half>& panels, float* sums,
                     std::size_t sum_stride);
void multiply_panels(const float* rows, std::size_t row_stride, int count, const FloatPanels<std::int8_t>& panels, float* sums,
                     std::size_t sum_stride);

}  // namespace nnrun
