#pragma once

#include <cstddef>

#include "kernels/floats.h"
#include "kernels/row_tiles.h"

namespace nnrun {

// sums[row * sum_stride + 0 ... 7] = the row's product with a panel of eight columns, for 1 to 8 rows of `depth` floats which lie
// `row_stride` apart. A panel holds, for each of its `depth` inputs, eight values side by side, `panel_stride`
// from those of the next input. A row's result does not depend on the rows beside it.
void multiply_panel(const float* rows, std::size_t row_stride, int count, const float* panel, std::size_t panel_stride, int depth,
                    float* sums, std::size_t sum_stride);
void multiply_panel(const float* rows, std::size_t row_stride, int count, const Half* panel, std::size_t panel_stride, int depth,
                    float* sums, std::size_t sum_stride);
void multiply_panel(const float* rows, std::size_t row_stride, int count, const std::int8_t* panel, std::size_t panel_stride, int depth,
                    float* sums, std::size_t sum_stride);

}  // namespace nnrun
