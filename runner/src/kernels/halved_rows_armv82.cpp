// Compiled for ARMv8.2 with fp16 (sources.cmake): what is used here is inlined, so that the linker cannot give
// its instructions to others.
#if defined(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC)
#include <arm_neon.h>

#include <cstddef>
#include <utility>

#include "kernels/halved_rows.h"

namespace nnrun {
namespace {

constexpr int columns = 8;
// Inputs whose products are added in fp16.
constexpr int chunk = 32;
constexpr int step = 8;

template <int COUNT>
struct Totals {
    float32x4_t low[COUNT];
    float32x4_t high[COUNT];
};

[[gnu::always_inline]] inline float16x8_t load(const unsigned short* from) { return vreinterpretq_f16_u16(vld1q_u16(from)); }

// GCC 14 makes two instructions of vfmaq_laneq_f16, one of which only copies the lane.
template <int LANE>
[[gnu::always_inline]] inline void add_lane(float16x8_t& sum, float16x8_t weights, float16x8_t inputs) {
    asm("fmla %0.8h, %1.8h, %2.h[%3]" : "+w"(sum) : "w"(weights), "x"(inputs), "i"(LANE));
}

template <int LANE, int... ROW>
[[gnu::always_inline]] inline void add_lanes(float16x8_t* sums, float16x8_t weights, float16x8_t inputs,
                                             std::integer_sequence<int, ROW...>) {
    (add_lane<LANE + ROW>(sums[ROW], weights, inputs), ...);
}

// One input of all rows and panels. Eight halves of the rows are loaded when the last eight are used up.
template <int ROWS, int PANELS, int K>
[[gnu::always_inline]] inline void add_input(float16x8_t (&sums)[PANELS][ROWS], const unsigned short* weights, std::size_t stride,
                                             const unsigned short* values, float16x8_t& inputs) {
    if constexpr (K * ROWS % 8 == 0) inputs = load(values + K * ROWS);
#pragma GCC unroll 4
    for (int panel = 0; panel < PANELS; ++panel)
        add_lanes<K * ROWS % 8>(sums[panel], load(weights + static_cast<std::size_t>(panel) * stride + K * columns), inputs,
                                std::make_integer_sequence<int, ROWS>());
}

template <int ROWS, int PANELS, int... K>
[[gnu::always_inline]] inline void add_step(float16x8_t (&sums)[PANELS][ROWS], const unsigned short* weights, std::size_t stride,
                                            const unsigned short* values, std::integer_sequence<int, K...>) {
    float16x8_t inputs;
    (add_input<ROWS, PANELS, K>(sums, weights, stride, values, inputs), ...);
}

// Of what is left when there is no whole chunk any more.
template <int ROWS, int PANELS>
[[gnu::always_inline]] inline void add_one(float16x8_t (&sums)[PANELS][ROWS], const unsigned short* weights, std::size_t stride,
                                           const unsigned short* values) {
    for (int panel = 0; panel < PANELS; ++panel)
        for (int row = 0; row < ROWS; ++row) {
            const float16x8_t input = vreinterpretq_f16_u16(vdupq_n_u16(values[row]));
            sums[panel][row] = vfmaq_f16(sums[panel][row], load(weights + static_cast<std::size_t>(panel) * stride), input);
        }
}

template <int ROWS, int PANELS>
[[gnu::always_inline]] inline void add_sums(Totals<ROWS * PANELS>& totals, const float16x8_t (&sums)[PANELS][ROWS]) {
#pragma GCC unroll 8
    for (int i = 0; i < ROWS * PANELS; ++i) {
        const float16x8_t sum = sums[i / ROWS][i % ROWS];
        totals.low[i] = vaddq_f32(totals.low[i], vcvt_f32_f16(vget_low_f16(sum)));
        totals.high[i] = vaddq_f32(totals.high[i], vcvt_high_f32_f16(sum));
    }
}

template <int ROWS, int PANELS>
[[gnu::noinline]] void multiply_tile(const unsigned short* weights, int inputs, const HalvedTile& tile, float* to) {
    const std::size_t stride = static_cast<std::size_t>(inputs) * columns;
    const unsigned short* values = tile.values;
    Totals<ROWS * PANELS> totals{};
    int left = inputs;
    for (; left >= chunk; left -= chunk) {
        float16x8_t sums[PANELS][ROWS] = {};
        for (int k = 0; k < chunk; k += step, weights += step * columns, values += step * ROWS)
            add_step<ROWS, PANELS>(sums, weights, stride, values, std::make_integer_sequence<int, step>());
        add_sums(totals, sums);
    }
    if (left > 0) {
        float16x8_t sums[PANELS][ROWS] = {};
        for (; left > 0; --left, weights += columns, values += ROWS) add_one<ROWS, PANELS>(sums, weights, stride, values);
        add_sums(totals, sums);
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS * PANELS; ++i) {
        const float scale = tile.scales[i % ROWS];
        vst1q_f32(to + i * columns, vmulq_n_f32(totals.low[i], scale));
        vst1q_f32(to + i * columns + 4, vmulq_n_f32(totals.high[i], scale));
    }
}

// A single row's sums would wait for each other: four panels go side by side.
[[gnu::always_inline]] inline void multiply_row(const unsigned short* panels, std::size_t count, int inputs, const HalvedTile& tile,
                                                float* sums) {
    const std::size_t stride = static_cast<std::size_t>(inputs) * columns;
    for (; count >= 4; count -= 4, panels += 4 * stride, sums += 4 * columns) multiply_tile<1, 4>(panels, inputs, tile, sums);
    for (; count > 0; --count, panels += stride, sums += columns) multiply_tile<1, 1>(panels, inputs, tile, sums);
}

template <int ROWS>
[[gnu::always_inline]] inline void multiply_rows(const unsigned short* panels, std::size_t count, int inputs, const HalvedTile& tile,
                                                 float* sums) {
    for (; count > 0; --count, panels += static_cast<std::size_t>(inputs) * columns, sums += ROWS * columns)
        multiply_tile<ROWS, 1>(panels, inputs, tile, sums);
}

}  // namespace

void multiply_halves_armv82(const unsigned short* panels, std::size_t count, int inputs, const HalvedRows& rows, float* sums) {
    for (const HalvedTile& tile : rows.tiles()) {
        float* const to = sums + tile.first * columns;
        if (tile.rows == 1)
            multiply_row(panels, count, inputs, tile, to);
        else if (tile.rows == 2)
            multiply_rows<2>(panels, count, inputs, tile, to);
        else if (tile.rows == 4)
            multiply_rows<4>(panels, count, inputs, tile, to);
        else
            multiply_rows<8>(panels, count, inputs, tile, to);
    }
}

}  // namespace nnrun
#endif
