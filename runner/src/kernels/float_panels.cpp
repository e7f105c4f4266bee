#include "kernels/float_panels.h"

namespace nnrun {
namespace {

template <int ROWS>
struct Tile {
    F4 low[ROWS];   // columns 0 to 3
    F4 high[ROWS];  // columns 4 to 7
};

template <int ROWS, int LANE, typename W>
inline void add_lane(Tile<ROWS>& tile, const F4* inputs, const W* weights) {
    const F8 both = load8(weights);
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) {
        tile.low[row] = multiply_add_lane<LANE>(tile.low[row], both.low, inputs[row]);
        tile.high[row] = multiply_add_lane<LANE>(tile.high[row], both.high, inputs[row]);
    }
}

template <int ROWS, typename W>
inline void add_input(Tile<ROWS>& tile, const float* rows, std::size_t row_stride, const W* weights) {
    const F8 both = load8(weights);
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) {
        const F4 input = four(rows[static_cast<std::size_t>(row) * row_stride]);
        tile.low[row] = multiply_add(tile.low[row], both.low, input);
        tile.high[row] = multiply_add(tile.high[row], both.high, input);
    }
}

template <int ROWS, typename W>
void multiply(const float* rows, std::size_t row_stride, const W* panel, std::size_t panel_stride, int depth, float* sums,
              std::size_t sum_stride) {
    Tile<ROWS> tile{};
    int k = 0;
    for (; k + 4 <= depth; k += 4, rows += 4, panel += 4 * panel_stride) {
        F4 inputs[ROWS];
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) inputs[row] = load4(rows + static_cast<std::size_t>(row) * row_stride);
        add_lane<ROWS, 0>(tile, inputs, panel);
        add_lane<ROWS, 1>(tile, inputs, panel + panel_stride);
        add_lane<ROWS, 2>(tile, inputs, panel + 2 * panel_stride);
        add_lane<ROWS, 3>(tile, inputs, panel + 3 * panel_stride);
    }
    for (; k < depth; ++k, ++rows, panel += panel_stride) add_input(tile, rows, row_stride, panel);
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row, sums += sum_stride) {
        store4(sums, tile.low[row]);
        store4(sums + 4, tile.high[row]);
    }
}

template <typename W>
void multiply_rows(const float* rows, std::size_t row_stride, int count, const W* panel, std::size_t panel_stride, int depth, float* sums,
                   std::size_t sum_stride) {
    switch (count) {
        case 1:
            return multiply<1>(rows, row_stride, panel, panel_stride, depth, sums, sum_stride);
        case 2:
            return multiply<2>(rows, row_stride, panel, panel_stride, depth, sums, sum_stride);
        case 3:
            return multiply<3>(rows, row_stride, panel, panel_stride, depth, sums, sum_stride);
        case 4:
            return multiply<4>(rows, row_stride, panel, panel_stride, depth, sums, sum_stride);
        case 5:
            return multiply<5>(rows, row_stride, panel, panel_stride, depth, sums, sum_stride);
        case 6:
            return multiply<6>(rows, row_stride, panel, panel_stride, depth, sums, sum_stride);
        case 7:
            return multiply<7>(rows, row_stride, panel, panel_stride, depth, sums, sum_stride);
        default:
            return multiply<8>(rows, row_stride, panel, panel_stride, depth, sums, sum_stride);
    }
}

}  // namespace

void multiply_panel(const float* rows, std::size_t row_stride, int count, const float* panel, std::size_t panel_stride, int depth,
                    float* sums, std::size_t sum_stride) {
    multiply_rows(rows, row_stride, count, panel, panel_stride, depth, sums, sum_stride);
}

void multiply_panel(const float* rows, std::size_t row_stride, int count, const Half* panel, std::size_t panel_stride, int depth,
                    float* sums, std::size_t sum_stride) {
    multiply_rows(rows, row_stride, count, panel, panel_stride, depth, sums, sum_stride);
}

void multiply_panel(const float* rows, std::size_t row_stride, int count, const std::int8_t* panel, std::size_t panel_stride, int depth,
                    float* sums, std::size_t sum_stride) {
    multiply_rows(rows, row_stride, count, panel, panel_stride, depth, sums, sum_stride);
}

}  // namespace nnrun
