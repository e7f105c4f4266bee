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

template <int COUNT>
struct Totals {
    float32x4_t low[COUNT];
    float32x4_t high[COUNT];
};

[[gnu::always_inline]] inline float16x8_t load(const unsigned short* from) { return vreinterpretq_f16_u16(vld1q_u16(from)); }

// GCC 14 makes two instructions of vfmaq_laneq_f16, one of which only copies the lane. What is multiplied first needs
// no sum that was set to 0.
template <bool FIRST, int LANE>
[[gnu::always_inline]] inline void add_lane(float16x8_t& sum, float16x8_t weights, float16x8_t inputs) {
    if constexpr (FIRST)
        asm("fmul %0.8h, %1.8h, %2.h[%3]" : "=w"(sum) : "w"(weights), "x"(inputs), "i"(LANE));
    else
        asm("fmla %0.8h, %1.8h, %2.h[%3]" : "+w"(sum) : "w"(weights), "x"(inputs), "i"(LANE));
}

template <bool FIRST, int LANE, int... ROW>
[[gnu::always_inline]] inline void add_lanes(float16x8_t* sums, float16x8_t weights, float16x8_t inputs,
                                             std::integer_sequence<int, ROW...>) {
    (add_lane<FIRST, LANE + ROW>(sums[ROW], weights, inputs), ...);
}

// Two vectors that lie together are one load.
struct Pair {
    float16x8_t halves[2];
};

// Of a chunk with SIZE halves, which is named as a whole: the address of a part would be computed, and not be needed.
template <int AT, int SIZE>
[[gnu::always_inline]] inline void load_pair(Pair& pair, const unsigned short* from) {
    using Chunk = const unsigned short[SIZE];
    asm("ldp %q0, %q1, [%2, %3]"
        : "=w"(pair.halves[0]), "=w"(pair.halves[1])
        : "r"(from), "i"(AT * 2), "m"(*reinterpret_cast<Chunk*>(from)));
}

// What is loaded and not used up yet.
template <int PANELS>
struct Loaded {
    Pair inputs;
    Pair weights[PANELS];
};

// One input of all rows and panels.
template <int ROWS, int PANELS, int K>
[[gnu::always_inline]] inline void add_input(float16x8_t (&sums)[PANELS][ROWS], const unsigned short* weights, std::size_t stride,
                                             const unsigned short* values, Loaded<PANELS>& loaded) {
    if constexpr (K * ROWS % 16 == 0) load_pair<K * ROWS, chunk * ROWS>(loaded.inputs, values);
#pragma GCC unroll 4
    for (int panel = 0; panel < PANELS; ++panel) {
        const unsigned short* const from = weights + static_cast<std::size_t>(panel) * stride;
        if constexpr (K % 2 == 0) load_pair<K * columns, chunk * columns>(loaded.weights[panel], from);
        add_lanes<K == 0, K * ROWS % 8>(sums[panel], loaded.weights[panel].halves[K % 2], loaded.inputs.halves[K * ROWS / 8 % 2],
                                        std::make_integer_sequence<int, ROWS>());
    }
}

// A loop within a chunk would be one instruction in twenty.
template <int ROWS, int PANELS, int... K>
[[gnu::always_inline]] inline void multiply_chunk(float16x8_t (&sums)[PANELS][ROWS], const unsigned short* weights, std::size_t stride,
                                                  const unsigned short* values, std::integer_sequence<int, K...>) {
    Loaded<PANELS> loaded;
    (add_input<ROWS, PANELS, K>(sums, weights, stride, values, loaded), ...);
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
    for (; left >= chunk; left -= chunk, weights += chunk * columns, values += chunk * ROWS) {
        float16x8_t sums[PANELS][ROWS];
        multiply_chunk<ROWS, PANELS>(sums, weights, stride, values, std::make_integer_sequence<int, chunk>());
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
