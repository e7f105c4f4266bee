// Compiled for ARMv8.2 with dot products (sources.cmake): what is used here is inlined, so that the linker
// cannot give its instructions to others.
#if defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>

#include <cstdint>
#include <utility>

#include "kernels/integer_panels.h"

namespace nnrun {
namespace {

constexpr int columns = 8;
// Inputs that are loaded at once, of eight columns.
constexpr int step = 16;
constexpr int smallest_block = 32;

// Two groups of four inputs: the columns 0 to 3 and 4 to 7 of each. Integers are multiples of 2^shift.
struct Pair {
    int8x16_t low[2];
    int8x16_t high[2];
};

[[gnu::always_inline]] inline int8x16_t of_bits(uint8x16_t bits) { return vreinterpretq_s8_u8(bits); }

template <int SHIFT>
struct Bytes {
    static constexpr int shift = SHIFT;
    static constexpr int step_bytes = step * columns;
    template <int HALF>
    [[gnu::always_inline]] static inline Pair load(const unsigned char* from) {
        from += HALF * 64;
        return {{of_bits(vld1q_u8(from)), of_bits(vld1q_u8(from + 32))}, {of_bits(vld1q_u8(from + 16)), of_bits(vld1q_u8(from + 48))}};
    }
};

struct Nibbles {
    static constexpr int shift = 4;
    static constexpr int step_bytes = step * columns / 2;
    template <int HALF>
    [[gnu::always_inline]] static inline Pair load(const unsigned char* from) {
        const uint8x16_t low = vld1q_u8(from + HALF * 32), high = vld1q_u8(from + HALF * 32 + 16), top = vdupq_n_u8(0xf0);
        return {{of_bits(vshlq_n_u8(low, 4)), of_bits(vandq_u8(low, top))}, {of_bits(vshlq_n_u8(high, 4)), of_bits(vandq_u8(high, top))}};
    }
};

struct Sixes {
    static constexpr int shift = 2;
    static constexpr int step_bytes = step * columns * 3 / 4;
    template <int HALF>
    [[gnu::always_inline]] static inline void join(const unsigned char* from, int8x16_t (&groups)[2]) {
        const uint8x16_t both = vld1q_u8(from + HALF * 32), ends = vld1q_u8(from + 64);
        const uint8x16_t end = vdupq_n_u8(0x0c), top = vdupq_n_u8(0xf0);
        const uint8x16_t first = HALF == 0 ? vshlq_n_u8(ends, 2) : vshrq_n_u8(ends, 2);
        const uint8x16_t second = HALF == 0 ? ends : vshrq_n_u8(ends, 4);
        groups[0] = of_bits(vsliq_n_u8(vandq_u8(first, end), both, 4));
        groups[1] = of_bits(vbslq_u8(top, both, vandq_u8(second, end)));
    }
    template <int HALF>
    [[gnu::always_inline]] static inline Pair load(const unsigned char* from) {
        Pair pair;
        join<HALF>(from, pair.low);
        join<HALF>(from + 16, pair.high);
        return pair;
    }
};

template <int ROWS>
struct Products {
    int32x4_t low[ROWS];
    int32x4_t high[ROWS];
};

// LANE is where the group's inputs begin, in words of four.
template <int ROWS, int LANE, int... ROW>
[[gnu::always_inline]] inline void add_group(Products<ROWS>& products, int8x16_t low, int8x16_t high, const int8x16_t* inputs,
                                             std::integer_sequence<int, ROW...>) {
    ((products.low[ROW] = vdotq_laneq_s32(products.low[ROW], low, inputs[(LANE + ROW) / 4], (LANE + ROW) % 4),
      products.high[ROW] = vdotq_laneq_s32(products.high[ROW], high, inputs[(LANE + ROW) / 4], (LANE + ROW) % 4)),
     ...);
}

// A single row has a second set of sums, or each addition would wait for the last one.
template <int HALF, typename WEIGHTS, int ROWS>
[[gnu::always_inline]] inline void add_half(Products<ROWS>& even, Products<ROWS>& odd, const unsigned char* weights,
                                            const int8x16_t* inputs) {
    constexpr auto all = std::make_integer_sequence<int, ROWS>();
    constexpr int lane = ROWS == 1 ? HALF * 2 : 0;
    const Pair pair = WEIGHTS::template load<HALF>(weights);
    add_group<ROWS, lane>(even, pair.low[0], pair.high[0], inputs, all);
    add_group<ROWS, lane + ROWS>(odd, pair.low[1], pair.high[1], inputs, all);
}

template <typename WEIGHTS, int ROWS>
[[gnu::always_inline]] inline void add_step(Products<ROWS>& even, Products<ROWS>& odd, const unsigned char* weights,
                                            const std::int8_t* values) {
    constexpr int half_vectors = ROWS == 1 ? 1 : ROWS / 2;
    int8x16_t inputs[half_vectors];
    for (int i = 0; i < half_vectors; ++i) inputs[i] = vld1q_s8(values + i * 16);
    add_half<0, WEIGHTS>(even, odd, weights, inputs);
    if constexpr (ROWS > 1)
        for (int i = 0; i < half_vectors; ++i) inputs[i] = vld1q_s8(values + (half_vectors + i) * 16);
    add_half<1, WEIGHTS>(even, odd, weights, inputs);
}

template <int SHIFT>
[[gnu::always_inline]] inline float32x4_t to_floats(int32x4_t sums) {
    if constexpr (SHIFT == 0)
        return vcvtq_f32_s32(sums);
    else
        return vcvtq_n_f32_s32(sums, SHIFT);
}

struct Halves {
    float32x4_t low;
    float32x4_t high;
};

[[gnu::always_inline]] inline Halves load_halves(const unsigned short* from) {
    const float16x8_t halves = vreinterpretq_f16_u16(vld1q_u16(from));
    return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}

template <int ROWS>
struct Totals {
    float32x4_t low[ROWS];
    float32x4_t high[ROWS];
};

template <int SHIFT, int ROWS>
[[gnu::always_inline]] inline void add_row(Totals<ROWS>& totals, const Products<ROWS>& products, int row, float32x4_t low,
                                           float32x4_t high) {
    totals.low[row] = vfmaq_f32(totals.low[row], to_floats<SHIFT>(products.low[row]), low);
    totals.high[row] = vfmaq_f32(totals.high[row], to_floats<SHIFT>(products.high[row]), high);
}

template <int SHIFT, int ROWS, int... ROW>
[[gnu::always_inline]] inline void add_rows(Totals<ROWS>& totals, const Products<ROWS>& products, const Halves& weights,
                                            const float* scales, std::integer_sequence<int, ROW...>) {
    float32x4_t rows[ROWS / 4];
    for (int i = 0; i < ROWS / 4; ++i) rows[i] = vld1q_f32(scales + i * 4);
    (add_row<SHIFT>(totals, products, ROW, vmulq_laneq_f32(weights.low, rows[ROW / 4], ROW % 4),
                    vmulq_laneq_f32(weights.high, rows[ROW / 4], ROW % 4)),
     ...);
}

// totals[row] += products[row] * (weights * scales[row]).
template <int SHIFT, int ROWS>
[[gnu::always_inline]] inline void add_products(Totals<ROWS>& totals, const Products<ROWS>& products, const Halves& weights,
                                                const float* scales) {
    if constexpr (ROWS >= 4) return add_rows<SHIFT>(totals, products, weights, scales, std::make_integer_sequence<int, ROWS>());
    for (int row = 0; row < ROWS; ++row)
        add_row<SHIFT>(totals, products, row, vmulq_n_f32(weights.low, scales[row]), vmulq_n_f32(weights.high, scales[row]));
}

// totals[row] += minima * (sums[row] * scales[row]).
template <int ROWS>
[[gnu::always_inline]] inline void add_minima(Totals<ROWS>& totals, const Halves& minima, const std::int32_t* sums, const float* scales) {
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row) {
        const float sum = static_cast<float>(sums[row]) * scales[row];
        totals.low[row] = vfmaq_n_f32(totals.low[row], minima.low, sum);
        totals.high[row] = vfmaq_n_f32(totals.high[row], minima.high, sum);
    }
}

template <typename WEIGHTS, int ROWS, int BLOCK, bool AFFINE>
[[gnu::always_inline]] inline Products<ROWS> multiply_block(const unsigned char*& weights, const std::int8_t*& values,
                                                            const std::int32_t* sums, int half) {
    Products<ROWS> products{}, odd{};
    if constexpr (AFFINE)
        for (int row = 0; row < ROWS; ++row) products.low[row] = products.high[row] = vdupq_n_s32(sums[row] * (half << WEIGHTS::shift));
#pragma GCC unroll 8
    for (int k = 0; k < BLOCK; k += step, weights += WEIGHTS::step_bytes, values += step * ROWS)
        add_step<WEIGHTS>(products, ROWS == 1 ? odd : products, weights, values);
    if constexpr (ROWS == 1) {
        products.low[0] = vaddq_s32(products.low[0], odd.low[0]);
        products.high[0] = vaddq_s32(products.high[0], odd.high[0]);
    }
    return products;
}

// `to` is [panels][ROWS][8].
template <typename WEIGHTS, int ROWS, int BLOCK, bool AFFINE>
[[gnu::noinline]] void multiply_tile(const IntegerPanels& panels, const unsigned char* weights, const IntegerTile& tile, float* to) {
    const unsigned short *weight_scales = panels.scales, *minima = panels.minima;
    const int half = 1 << (panels.bits - 1);
    const std::size_t blocks = panels.blocks;
    for (std::size_t panel = 0; panel < panels.count; ++panel) {
        const std::int8_t* values = tile.values;
        const float* scales = tile.scales;
        const std::int32_t* sums = tile.sums;
        Totals<ROWS> totals{};
        for (std::size_t block = 0; block < blocks; ++block, weight_scales += columns, scales += ROWS, sums += ROWS) {
            const Products<ROWS> products = multiply_block<WEIGHTS, ROWS, BLOCK, AFFINE>(weights, values, sums, half);
            add_products<WEIGHTS::shift>(totals, products, load_halves(weight_scales), scales);
            if constexpr (AFFINE) {
                add_minima<ROWS>(totals, load_halves(minima), sums, scales);
                minima += columns;
            }
        }
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row, to += columns) {
            vst1q_f32(to, totals.low[row]);
            vst1q_f32(to + 4, totals.high[row]);
        }
    }
}

template <typename WEIGHTS, int BLOCK, bool AFFINE>
[[gnu::always_inline]] inline void multiply_rows(const IntegerPanels& panels, const unsigned char* weights, const IntegerTile& tile,
                                                 float* totals) {
    if (tile.rows == 8) return multiply_tile<WEIGHTS, 8, BLOCK, AFFINE>(panels, weights, tile, totals);
    if (tile.rows == 4) return multiply_tile<WEIGHTS, 4, BLOCK, AFFINE>(panels, weights, tile, totals);
    if (tile.rows == 2) return multiply_tile<WEIGHTS, 2, BLOCK, AFFINE>(panels, weights, tile, totals);
    multiply_tile<WEIGHTS, 1, BLOCK, AFFINE>(panels, weights, tile, totals);
}

template <typename WEIGHTS, int BLOCK>
void multiply_blocks(const IntegerPanels& panels, const unsigned char* weights, const QuantisedRows& rows, float* sums) {
    if (panels.minima != nullptr)
        for (const IntegerTile& tile : rows.tiles())
            multiply_rows<WEIGHTS, BLOCK, true>(panels, weights, tile, sums + tile.first * columns);
    else
        for (const IntegerTile& tile : rows.tiles())
            multiply_rows<WEIGHTS, BLOCK, false>(panels, weights, tile, sums + tile.first * columns);
}

template <typename WEIGHTS>
void multiply_tiles(const IntegerPanels& panels, const unsigned char* weights, const QuantisedRows& rows, float* sums) {
    switch (panels.block) {
        case 32:
            return multiply_blocks<WEIGHTS, 32>(panels, weights, rows, sums);
        case 64:
            return multiply_blocks<WEIGHTS, 64>(panels, weights, rows, sums);
        default:
            return multiply_blocks<WEIGHTS, 128>(panels, weights, rows, sums);
    }
}

[[gnu::always_inline]] inline void store(signed char* to, const Pair& pair) {
    for (int i = 0; i < 2; ++i) {
        vst1q_s8(to + i * 32, pair.low[i]);
        vst1q_s8(to + i * 32 + 16, pair.high[i]);
    }
}

// For several tiles the panel is unpacked once.
template <typename WEIGHTS>
void multiply_packed(const IntegerPanels& panels, const QuantisedRows& rows, float* sums, signed char* unpacked) {
    if (rows.tiles().size() == 1) return multiply_tiles<WEIGHTS>(panels, panels.weights, rows, sums);
    const std::size_t depth = panels.blocks * static_cast<std::size_t>(panels.block);
    const unsigned char* from = panels.weights;
    signed char* to = unpacked;
    for (std::size_t k = 0; k < depth; k += smallest_block)
#pragma GCC unroll 2
        for (int i = 0; i < smallest_block; i += step, from += WEIGHTS::step_bytes, to += step * columns) {
            store(to, WEIGHTS::template load<0>(from));
            store(to + step * columns / 2, WEIGHTS::template load<1>(from));
        }
    multiply_tiles<Bytes<WEIGHTS::shift>>(panels, reinterpret_cast<const unsigned char*>(unpacked), rows, sums);
}

}  // namespace

void multiply_integers_armv82(const IntegerPanels& panels, const QuantisedRows& rows, float* sums, signed char* unpacked) {
    switch (panels.bits) {
        case 4:
            return multiply_packed<Nibbles>(panels, rows, sums, unpacked);
        case 6:
            return multiply_packed<Sixes>(panels, rows, sums, unpacked);
        default:
            return multiply_tiles<Bytes<0>>(panels, panels.weights, rows, sums);
    }
}

}  // namespace nnrun
#endif
