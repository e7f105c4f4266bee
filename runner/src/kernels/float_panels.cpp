#include "kernels/float_panels.h"

namespace nnrun {
namespace {

// Rows that leave room in the registers for the sums of two panels.
constexpr int paired_rows = 4;

struct Rows {
    const float* values;
    std::size_t stride;

    const float* operator[](int row) const { return values + static_cast<std::size_t>(row) * stride; }
};

template <int ROWS, int PANELS>
struct Tile {
    F4 low[PANELS][ROWS];   // columns 0 to 3
    F4 high[PANELS][ROWS];  // columns 4 to 7
};

template <int LANE, int ROWS, int PANELS, typename T>
inline void add_lane(Tile<ROWS, PANELS>& tile, const F4* inputs, const T* weights, std::size_t next) {
#pragma GCC unroll 2
    for (int panel = 0; panel < PANELS; ++panel, weights += next) {
        const F8 both = load8(weights);
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) {
            tile.low[panel][row] = multiply_add_lane<LANE>(tile.low[panel][row], both.low, inputs[row]);
            tile.high[panel][row] = multiply_add_lane<LANE>(tile.high[panel][row], both.high, inputs[row]);
        }
    }
}

template <int ROWS, int PANELS, typename T>
inline void add_input(Tile<ROWS, PANELS>& tile, const Rows& rows, const T* weights, std::size_t next) {
#pragma GCC unroll 2
    for (int panel = 0; panel < PANELS; ++panel, weights += next) {
        const F8 both = load8(weights);
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) {
            const F4 input = four(*rows[row]);
            tile.low[panel][row] = multiply_add(tile.low[panel][row], both.low, input);
            tile.high[panel][row] = multiply_add(tile.high[panel][row], both.high, input);
        }
    }
}

template <int ROWS, int PANELS>
inline void store(const Tile<ROWS, PANELS>& tile, float* sums, std::size_t sum_stride) {
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row, sums += sum_stride)
#pragma GCC unroll 2
        for (int panel = 0; panel < PANELS; ++panel) {
            store4(sums + panel * 8, tile.low[panel][row]);
            store4(sums + panel * 8 + 4, tile.high[panel][row]);
        }
}

// What is known of the places saves instructions that compute them.
template <int ROWS, int PANELS, bool MATRIX, typename T>
inline void multiply(Rows rows, const FloatPanels<T>& panels, const T* weights, float* sums, std::size_t sum_stride) {
    const std::size_t stride = MATRIX ? panels.stride : 8, next = MATRIX ? 8 : panels.next;
    Tile<ROWS, PANELS> tile{};
    int k = 0;
    for (; k + 4 <= panels.depth; k += 4, rows.values += 4, weights += 4 * stride) {
        F4 inputs[ROWS];
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) inputs[row] = load4(rows[row]);
        add_lane<0>(tile, inputs, weights, next);
        add_lane<1>(tile, inputs, weights + stride, next);
        add_lane<2>(tile, inputs, weights + 2 * stride, next);
        add_lane<3>(tile, inputs, weights + 3 * stride, next);
    }
    for (; k < panels.depth; ++k, ++rows.values, weights += stride) add_input(tile, rows, weights, next);
    store(tile, sums, sum_stride);
}

template <int ROWS, bool MATRIX, typename T>
void multiply_panels_of(const Rows& rows, const FloatPanels<T>& panels, float* sums, std::size_t sum_stride) {
    std::size_t panel = 0;
    if constexpr (ROWS <= paired_rows)
        for (; panel + 2 <= panels.count; panel += 2)
            multiply<ROWS, 2, MATRIX>(rows, panels, panels.values + panel * panels.next, sums + panel * 8, sum_stride);
    for (; panel < panels.count; ++panel)
        multiply<ROWS, 1, MATRIX>(rows, panels, panels.values + panel * panels.next, sums + panel * 8, sum_stride);
}

template <int ROWS, typename T>
void multiply_all(const Rows& rows, const FloatPanels<T>& panels, float* sums, std::size_t sum_stride) {
    if (panels.stride == 8) return multiply_panels_of<ROWS, false>(rows, panels, sums, sum_stride);
    multiply_panels_of<ROWS, true>(rows, panels, sums, sum_stride);
}

template <typename T>
void multiply_rows(const Rows& rows, int count, const FloatPanels<T>& panels, float* sums, std::size_t sum_stride) {
    switch (count) {
        case 1:
            return multiply_all<1>(rows, panels, sums, sum_stride);
        case 2:
            return multiply_all<2>(rows, panels, sums, sum_stride);
        case 3:
            return multiply_all<3>(rows, panels, sums, sum_stride);
        case 4:
            return multiply_all<4>(rows, panels, sums, sum_stride);
        case 5:
            return multiply_all<5>(rows, panels, sums, sum_stride);
        case 6:
            return multiply_all<6>(rows, panels, sums, sum_stride);
        case 7:
            return multiply_all<7>(rows, panels, sums, sum_stride);
        default:
            return multiply_all<8>(rows, panels, sums, sum_stride);
    }
}

}  // namespace

void multiply_panels(const float* rows, std::size_t row_stride, int count, const FloatPanels<float>& panels, float* sums,
                     std::size_t sum_stride) {
    multiply_rows({rows, row_stride}, count, panels, sums, sum_stride);
}

void multiply_panels(const float* rows, std::size_t row_stride, int count, const FloatPanels<Half>& panels, float* sums,
                     std::size_t sum_stride) {
    multiply_rows({rows, row_stride}, count, panels, sums, sum_stride);
}

void multiply_panels(const float* rows, std::size_t row_stride, int count, const FloatPanels<std::int8_t>& panels, float* sums,
                     std::size_t sum_stride) {
    multiply_rows({rows, row_stride}, count, panels, sums, sum_stride);
}

}  // namespace nnrun
