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

// Four groups of four inputs: the columns 0 to 3 and 4 to 7 of each. Integers are multiples of 2^shift.
struct Groups {
    int8x16_t low[4];
    int8x16_t high[4];
};

int8x16_t of_bits(uint8x16_t bits) { return vreinterpretq_s8_u8(bits); }

template <int SHIFT>
struct Bytes {
    static constexpr int shift = SHIFT;
    static constexpr int step_bytes = step * columns;
    static inline void load(const unsigned char* from, Groups& groups) {
        for (int i = 0; i < 4; ++i) {
            groups.low[i] = of_bits(vld1q_u8(from + i * 32));
            groups.high[i] = of_bits(vld1q_u8(from + i * 32 + 16));
        }
    }
};

struct Nibbles {
    static constexpr int shift = 4;
    static constexpr int step_bytes = step * columns / 2;
    static inline void split(uint8x16_t both, int8x16_t& first, int8x16_t& second) {
        first = of_bits(vshlq_n_u8(both, 4));
        second = of_bits(vandq_u8(both, vdupq_n_u8(0xf0)));
    }
    static inline void load(const unsigned char* from, Groups& groups) {
        for (int i = 0; i < 4; i += 2) {
            split(vld1q_u8(from + i * 16), groups.low[i], groups.low[i + 1]);
            split(vld1q_u8(from + i * 16 + 16), groups.high[i], groups.high[i + 1]);
        }
    }
};

struct Sixes {
    static constexpr int shift = 2;
    static constexpr int step_bytes = step * columns * 3 / 4;
    static inline void join(const unsigned char* from, int8x16_t (&groups)[4]) {
        const uint8x16_t first = vld1q_u8(from), second = vld1q_u8(from + 32), ends = vld1q_u8(from + 64);
        const uint8x16_t end = vdupq_n_u8(0x0c), top = vdupq_n_u8(0xf0);
        groups[0] = of_bits(vsliq_n_u8(vandq_u8(vshlq_n_u8(ends, 2), end), first, 4));
        groups[1] = of_bits(vbslq_u8(top, first, vandq_u8(ends, end)));
        groups[2] = of_bits(vsliq_n_u8(vandq_u8(vshrq_n_u8(ends, 2), end), second, 4));
        groups[3] = of_bits(vbslq_u8(top, second, vandq_u8(vshrq_n_u8(ends, 4), end)));
    }
    static inline void load(const unsigned char* from, Groups& groups) {
        join(from, groups.low);
        join(from + 16, groups.high);
    }
};

template <int ROWS>
struct Products {
    int32x4_t low[ROWS];
    int32x4_t high[ROWS];
};

template <int ROWS, int GROUP, int... ROW>
inline void add_group(Products<ROWS>& products, const Groups& groups, const int8x16_t* inputs, std::integer_sequence<int, ROW...>) {
    ((products.low[ROW] = vdotq_laneq_s32(products.low[ROW], groups.low[GROUP], inputs[(GROUP * ROWS + ROW) / 4], (GROUP * ROWS + ROW) % 4),
      products.high[ROW] =
          vdotq_laneq_s32(products.high[ROW], groups.high[GROUP], inputs[(GROUP * ROWS + ROW) / 4], (GROUP * ROWS + ROW) % 4)),
     ...);
}

// A single row has a second set of sums, or each addition would wait for the last one.
template <typename WEIGHTS, int ROWS>
inline void add_step(Products<ROWS>& even, Products<ROWS>& odd, const unsigned char* weights, const std::int8_t* values) {
    constexpr auto all = std::make_integer_sequence<int, ROWS>();
    Groups groups;
    int8x16_t inputs[ROWS];
    WEIGHTS::load(weights, groups);
    for (int i = 0; i < ROWS; ++i) inputs[i] = vld1q_s8(values + i * 16);
    add_group<ROWS, 0>(even, groups, inputs, all);
    add_group<ROWS, 1>(odd, groups, inputs, all);
    add_group<ROWS, 2>(even, groups, inputs, all);
    add_group<ROWS, 3>(odd, groups, inputs, all);
}

template <int SHIFT>
inline float32x4_t to_floats(int32x4_t sums) {
    if constexpr (SHIFT == 0)
        return vcvtq_f32_s32(sums);
    else
        return vcvtq_n_f32_s32(sums, SHIFT);
}

struct Halves {
    float32x4_t low;
    float32x4_t high;
};

inline Halves load_halves(const unsigned short* from) {
    const float16x8_t halves = vreinterpretq_f16_u16(vld1q_u16(from));
    return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}

template <typename WEIGHTS, int ROWS, int BLOCK, bool AFFINE>
inline Products<ROWS> multiply_block(const unsigned char*& weights, const std::int8_t*& values, const std::int32_t* sums, int half) {
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

// `totals` is [ROWS][8], zero before the first block.
template <typename WEIGHTS, int ROWS, int BLOCK, bool AFFINE>
void multiply_tile(const IntegerPanel& panel, const unsigned char* weights, const RowTile& tile, float* totals) {
    const std::int8_t* values = tile.values;
    const float* scales = tile.scales;
    const std::int32_t* sums = tile.sums;
    const int half = 1 << (panel.bits - 1);
    for (std::size_t block = 0; block < panel.blocks; ++block, scales += ROWS, sums += ROWS) {
        const Products<ROWS> products = multiply_block<WEIGHTS, ROWS, BLOCK, AFFINE>(weights, values, sums, half);
        const Halves weight_scales = load_halves(panel.scales + block * columns);
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) {
            float* const at = totals + row * columns;
            float32x4_t low = vld1q_f32(at), high = vld1q_f32(at + 4);
            low = vfmaq_f32(low, to_floats<WEIGHTS::shift>(products.low[row]), vmulq_n_f32(weight_scales.low, scales[row]));
            high = vfmaq_f32(high, to_floats<WEIGHTS::shift>(products.high[row]), vmulq_n_f32(weight_scales.high, scales[row]));
            if constexpr (AFFINE) {
                const Halves minima = load_halves(panel.minima + block * columns);
                const float sum = static_cast<float>(sums[row]) * scales[row];
                low = vfmaq_n_f32(low, minima.low, sum);
                high = vfmaq_n_f32(high, minima.high, sum);
            }
            vst1q_f32(at, low);
            vst1q_f32(at + 4, high);
        }
    }
}

template <typename WEIGHTS, int BLOCK, bool AFFINE>
void multiply_rows(const IntegerPanel& panel, const unsigned char* weights, const RowTile& tile, float* totals) {
    switch (tile.rows) {
        case 1:
            return multiply_tile<WEIGHTS, 1, BLOCK, AFFINE>(panel, weights, tile, totals);
        case 2:
            return multiply_tile<WEIGHTS, 2, BLOCK, AFFINE>(panel, weights, tile, totals);
        case 4:
            return multiply_tile<WEIGHTS, 4, BLOCK, AFFINE>(panel, weights, tile, totals);
        default:
            return multiply_tile<WEIGHTS, 8, BLOCK, AFFINE>(panel, weights, tile, totals);
    }
}

template <typename WEIGHTS, bool AFFINE>
void multiply_blocks(const IntegerPanel& panel, const unsigned char* weights, const RowTile& tile, float* totals) {
    switch (panel.block) {
        case 32:
            return multiply_rows<WEIGHTS, 32, AFFINE>(panel, weights, tile, totals);
        case 64:
            return multiply_rows<WEIGHTS, 64, AFFINE>(panel, weights, tile, totals);
        default:
            return multiply_rows<WEIGHTS, 128, AFFINE>(panel, weights, tile, totals);
    }
}

template <typename WEIGHTS>
void multiply_tiles(const IntegerPanel& panel, const unsigned char* weights, const QuantisedRows& rows, float* sums) {
    for (const RowTile& tile : rows.tiles()) {
        float totals[8 * columns] = {};
        if (panel.minima != nullptr)
            multiply_blocks<WEIGHTS, true>(panel, weights, tile, totals);
        else
            multiply_blocks<WEIGHTS, false>(panel, weights, tile, totals);
        for (int i = 0; i < tile.count * columns; ++i) sums[tile.first * columns + i] = totals[i];
    }
}

// For several tiles the panel is unpacked once.
template <typename WEIGHTS>
void multiply_packed(const IntegerPanel& panel, const QuantisedRows& rows, float* sums) {
    if (rows.tiles().size() == 1) return multiply_tiles<WEIGHTS>(panel, panel.weights, rows, sums);
    const std::size_t depth = panel.blocks * static_cast<std::size_t>(panel.block);
    unsigned char* const bytes = new unsigned char[depth * columns];
    const unsigned char* from = panel.weights;
    unsigned char* to = bytes;
    for (std::size_t k = 0; k < depth; k += step, from += WEIGHTS::step_bytes, to += step * columns) {
        Groups groups;
        WEIGHTS::load(from, groups);
        for (int i = 0; i < 4; ++i) {
            vst1q_u8(to + i * 32, vreinterpretq_u8_s8(groups.low[i]));
            vst1q_u8(to + i * 32 + 16, vreinterpretq_u8_s8(groups.high[i]));
        }
    }
    multiply_tiles<Bytes<WEIGHTS::shift>>(panel, bytes, rows, sums);
    delete[] bytes;
}

}  // namespace

void multiply_integers_armv82(const IntegerPanel& panel, const QuantisedRows& rows, float* sums) {
    switch (panel.bits) {
        case 4:
            return multiply_packed<Nibbles>(panel, rows, sums);
        case 6:
            return multiply_packed<Sixes>(panel, rows, sums);
        default:
            return multiply_tiles<Bytes<0>>(panel, panel.weights, rows, sums);
    }
}

}  // namespace nnrun
#endif
