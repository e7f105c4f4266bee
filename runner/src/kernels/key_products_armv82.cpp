// Compiled for ARMv8.2 with dot products (sources.cmake): what is used here is inlined, so that the linker
// cannot give its instructions to others.
#if defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>

#include <utility>

#include "kernels/key_products.h"

namespace nnrun {
namespace {

constexpr int tile = IntegerQueries::tile;

struct Sums {
    int32x4_t low[tile];   // of keys 0 to 3
    int32x4_t high[tile];  // of keys 4 to 7
};

template <int... QUERY>
[[gnu::always_inline]] inline void add_group(Sums& sums, int8x16_t low, int8x16_t high, int8x16_t inputs,
                                             std::integer_sequence<int, QUERY...>) {
    ((sums.low[QUERY] = vdotq_laneq_s32(sums.low[QUERY], low, inputs, QUERY),
      sums.high[QUERY] = vdotq_laneq_s32(sums.high[QUERY], high, inputs, QUERY)),
     ...);
}

[[gnu::always_inline]] inline void write(float* scores, int32x4_t high, int32x4_t low, const float* key_scales, float scale) {
    const float32x4_t sums = vcvtq_f32_s32(vaddq_s32(vshlq_n_s32(high, 7), low));
    vst1q_f32(scores, vmulq_f32(sums, vmulq_n_f32(vld1q_f32(key_scales), scale)));
}

}  // namespace

void multiply_keys_armv82(const IntegerQueries& queries, const std::int8_t* keys, const float* key_scales, float* scores,
                          std::size_t stride) {
    constexpr auto all = std::make_integer_sequence<int, tile>();
    for (int first = 0; first < queries.count(); first += tile) {
        const std::int8_t *high = queries.high(first), *low = queries.low(first), *panel = keys;
        Sums highs{}, lows{};
#pragma GCC unroll 4
        for (int k = 0; k < queries.size(); k += 4, high += 16, low += 16, panel += 32) {
            const int8x16_t left = vld1q_s8(panel), right = vld1q_s8(panel + 16);
            add_group(highs, left, right, vld1q_s8(high), all);
            add_group(lows, left, right, vld1q_s8(low), all);
        }
        // All of a tile are in registers, those that are written are the queries that there are.
#pragma GCC unroll 4
        for (int i = 0; i < tile; ++i) {
            if (first + i >= queries.count()) return;
            write(scores, highs.low[i], lows.low[i], key_scales, queries.scale(first + i));
            write(scores + 4, highs.high[i], lows.high[i], key_scales + 4, queries.scale(first + i));
            scores += stride;
        }
    }
}

}  // namespace nnrun
#endif
