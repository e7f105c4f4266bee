#pragma once

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <cstdint>
#include <cstring>

namespace nnrun {

// Four floats in one register. The compiler knows +, -, * and / of them; what it does not know is here.
#if defined(__aarch64__)
using F4 = float32x4_t;
using I4 = int32x4_t;
#else
using F4 = float __attribute__((vector_size(16)));
using I4 = std::int32_t __attribute__((vector_size(16)));
#endif

// IEEE's binary16, as it lies in a file.
using Half = std::uint16_t;

inline F4 load4(const float* from) {
#if defined(__aarch64__)
    return vld1q_f32(from);
#else
    F4 value;
    std::memcpy(&value, from, sizeof value);
    return value;
#endif
}

inline void store4(float* to, F4 value) {
#if defined(__aarch64__)
    vst1q_f32(to, value);
#else
    std::memcpy(to, &value, sizeof value);
#endif
}

inline F4 four(float value) { return F4{value, value, value, value}; }

inline float to_float(Half half) {
#if defined(__aarch64__)
    __fp16 value;
    std::memcpy(&value, &half, sizeof value);
    return static_cast<float>(value);
#else
    // The exponent is moved by a multiplication, which is exact and makes of denormal halves what they are.
    const std::uint32_t magnitude = (half & 0x7fffu) << 13;
    std::uint32_t bits = 0x77800000u;  // 2^112
    float scale = 0, value = 0;
    std::memcpy(&scale, &bits, sizeof scale);
    std::memcpy(&value, &magnitude, sizeof value);
    value *= scale;
    std::memcpy(&bits, &value, sizeof bits);
    if (magnitude >= (0x7c00u << 13)) bits = magnitude | 0x7f800000u;
    bits |= (half & 0x8000u) << 16;
    std::memcpy(&value, &bits, sizeof value);
    return value;
#endif
}

// To the nearest, ties to even.
inline Half to_half(float value) {
    Half half = 0;
#if defined(__aarch64__)
    const auto rounded = static_cast<__fp16>(value);
    std::memcpy(&half, &rounded, sizeof half);
#else
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<Half>(sign | 0x7e00u);
    if (magnitude >= 0x47800000u) return static_cast<Half>(sign | 0x7c00u);  // 65536 and more
    if (magnitude < 0x38800000u) {                                           // denormal: adding 0.5 moves its bits to the end
        float small = 0;
        std::memcpy(&small, &magnitude, sizeof small);
        small += 0.5f;
        std::memcpy(&bits, &small, sizeof bits);
        return static_cast<Half>(sign | (bits - 0x3f000000u));
    }
    const std::uint32_t even = magnitude >> 13 & 1u;
    half = static_cast<Half>(sign | ((magnitude + 0xfffu + even - 0x38000000u) >> 13));
#endif
    return half;
}

// Each `stride` halves from the one before.
inline void store_halves(Half* to, std::size_t stride, F4 values) {
#if defined(__aarch64__)
    const uint16x4_t halves = vreinterpret_u16_f16(vcvt_f16_f32(values));
    vst1_lane_u16(to, halves, 0);
    vst1_lane_u16(to + stride, halves, 1);
    vst1_lane_u16(to + 2 * stride, halves, 2);
    vst1_lane_u16(to + 3 * stride, halves, 3);
#else
    for (std::size_t i = 0; i < 4; ++i) to[i * stride] = to_half(values[i]);
#endif
}

inline F4 load4(const Half* from) {
#if defined(__aarch64__)
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
#else
    return F4{to_float(from[0]), to_float(from[1]), to_float(from[2]), to_float(from[3])};
#endif
}

struct F8 {
    F4 low;
    F4 high;
};

inline F8 load8(const float* from) { return {load4(from), load4(from + 4)}; }

inline F8 load8(const Half* from) {
#if defined(__aarch64__)
    const float16x8_t halves = vreinterpretq_f16_u16(vld1q_u16(from));
    return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
#else
    return {load4(from), load4(from + 4)};
#endif
}

inline F8 load8(const std::int8_t* from) {
#if defined(__aarch64__)
    const int16x8_t wide = vmovl_s8(vld1_s8(from));
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))};
#else
    F8 values{};
    for (int i = 0; i < 4; ++i) {
        values.low[i] = static_cast<float>(from[i]);
        values.high[i] = static_cast<float>(from[i + 4]);
    }
    return values;
#endif
}

// sum + a * b, rounded once on ARM.
inline F4 multiply_add(F4 sum, F4 a, F4 b) {
#if defined(__aarch64__)
    return vfmaq_f32(sum, a, b);
#else
    return sum + a * b;
#endif
}

// sum + a * b[LANE], rounded once on ARM.
template <int LANE>
inline F4 multiply_add_lane(F4 sum, F4 a, F4 b) {
#if defined(__aarch64__)
    return vfmaq_laneq_f32(sum, a, b, LANE);
#else
    return sum + a * four(b[LANE]);
#endif
}

inline F4 larger(F4 a, F4 b) {
#if defined(__aarch64__)
    return vmaxq_f32(a, b);
#else
    return b > a ? b : a;  // a NaN in a stays
#endif
}

inline F4 smaller(F4 a, F4 b) {
#if defined(__aarch64__)
    return vminq_f32(a, b);
#else
    return b < a ? b : a;
#endif
}

inline F4 magnitude(F4 a) {
#if defined(__aarch64__)
    return vabsq_f32(a);
#else
    return larger(a, -a);
#endif
}

// To the nearest, ties to even; of values whose nearest fits into 32 bits.
inline I4 rounded(F4 a) {
#if defined(__aarch64__)
    return vcvtnq_s32_f32(a);
#else
    const F4 shift = four(12582912.0f);  // 1.5 * 2^23: below 2^22, the sum's last bit is worth 1
    const F4 moved = a + shift;
    I4 bits, base;
    std::memcpy(&bits, &moved, sizeof bits);
    std::memcpy(&base, &shift, sizeof base);
    return bits - base;
#endif
}

inline F4 to_floats(I4 a) {
#if defined(__aarch64__)
    return vcvtq_f32_s32(a);
#else
    return F4{static_cast<float>(a[0]), static_cast<float>(a[1]), static_cast<float>(a[2]), static_cast<float>(a[3])};
#endif
}

// Sixteen integers as bytes, of which they keep the lowest one.
struct Bytes16 {
#if defined(__aarch64__)
    int8x16_t values;
#else
    std::int8_t values[16];
#endif
};

inline Bytes16 to_bytes(const I4 (&integers)[4]) {
#if defined(__aarch64__)
    // The even ones of pairs are the lower ones of wider integers.
    const auto narrow = [](I4 a, I4 b) { return vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b)); };
    const int16x8_t low = narrow(integers[0], integers[1]), high = narrow(integers[2], integers[3]);
    return {vuzp1q_s8(vreinterpretq_s8_s16(low), vreinterpretq_s8_s16(high))};
#else
    Bytes16 bytes{};
    for (int i = 0; i < 16; ++i) bytes.values[i] = static_cast<std::int8_t>(integers[i / 4][i % 4]);
    return bytes;
#endif
}

// The four sums together are more by the sixteen.
inline I4 add_bytes(I4 sums, const Bytes16& bytes) {
#if defined(__aarch64__)
    return vpadalq_s16(sums, vpaddlq_s8(bytes.values));
#else
    for (int i = 0; i < 16; ++i) sums[i / 4] += bytes.values[i];
    return sums;
#endif
}

// Four to `to`, the next four `stride` bytes further, and so on.
inline void store_bytes(std::int8_t* to, std::size_t stride, const Bytes16& bytes) {
#if defined(__aarch64__)
    const int32x4_t words = vreinterpretq_s32_s8(bytes.values);
    vst1q_lane_s32(reinterpret_cast<std::int32_t*>(to), words, 0);
    vst1q_lane_s32(reinterpret_cast<std::int32_t*>(to + stride), words, 1);
    vst1q_lane_s32(reinterpret_cast<std::int32_t*>(to + 2 * stride), words, 2);
    vst1q_lane_s32(reinterpret_cast<std::int32_t*>(to + 3 * stride), words, 3);
#else
    for (std::size_t part = 0; part < 4; ++part) std::memcpy(to + part * stride, bytes.values + part * 4, 4);
#endif
}

// In an order that is the same on every machine.
inline float sum_of(F4 a) { return (a[0] + a[1]) + (a[2] + a[3]); }

inline float largest_of(F4 a) {
    const float low = a[0] > a[1] ? a[0] : a[1];
    const float high = a[2] > a[3] ? a[2] : a[3];
    return low > high ? low : high;
}

// e^a within 2 ulp, for a from -87.33 to 88.37; what is outside is taken as its end.
// Cephes' expf (Moshier): a = n ln 2 + r, a polynomial in r, times 2^n.
inline F4 exponential(F4 a) {
    a = larger(smaller(a, four(88.37f)), four(-87.33f));
    const I4 n = rounded(a * four(1.44269504088896341f));
    const F4 whole = to_floats(n);
    F4 r = multiply_add(a, whole, four(-0.693359375f));
    r = multiply_add(r, whole, four(2.12194440e-4f));
    F4 p = four(1.9875691500e-4f);
    p = multiply_add(four(1.3981999507e-3f), p, r);
    p = multiply_add(four(8.3334519073e-3f), p, r);
    p = multiply_add(four(4.1665795894e-2f), p, r);
    p = multiply_add(four(1.6666665459e-1f), p, r);
    p = multiply_add(four(5.0000001201e-1f), p, r);
    p = multiply_add(r + four(1.0f), p, r * r);
    const I4 bits = (n + I4{127, 127, 127, 127}) << I4{23, 23, 23, 23};
    F4 power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

}  // namespace nnrun
