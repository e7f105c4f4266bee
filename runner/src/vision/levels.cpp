#include "vision/levels.h"

#include <cmath>

#ifdef __aarch64__
#include <arm_neon.h>
#endif

namespace nnrun {
namespace {

// As level * norm - mean * norm: the desktop's reference computes it so, and both must agree
// to the last bit.
float normalised(std::size_t level, float norm, float bias) {
    return static_cast<float>(static_cast<double>(level) * static_cast<double>(norm) + static_cast<double>(bias));
}

#ifdef __aarch64__
void multiply_16(uint8x16_t levels, float norm, float bias, float* to) {
    const uint16x8_t halves[2] = {vmovl_u8(vget_low_u8(levels)), vmovl_high_u8(levels)};
    for (const uint16x8_t half : halves) {
        vst1q_f32(to, vfmaq_n_f32(vdupq_n_f32(bias), vcvtq_f32_u32(vmovl_u16(vget_low_u16(half))), norm));
        vst1q_f32(to + 4, vfmaq_n_f32(vdupq_n_f32(bias), vcvtq_f32_u32(vmovl_high_u16(half)), norm));
        to += 8;
    }
}
#endif

}  // namespace

Levels::Levels(bool bgr, const std::vector<float>& mean, const std::vector<float>& norm) : bgr_(bgr), planes_{} {
    for (std::size_t i = 0; i < planes_.size(); ++i) {
        Plane& plane = planes_[i];
        plane.norm = norm[i];
        plane.bias = -mean[i] * norm[i];
        plane.fused = true;
        for (std::size_t level = 0; level < plane.values.size(); ++level) {
            plane.values[level] = normalised(level, plane.norm, plane.bias);
            // By the sign of zero, too.
            const float fused = std::fma(static_cast<float>(level), plane.norm, plane.bias);
            plane.fused = plane.fused && plane.values[level] == fused && std::signbit(plane.values[level]) == std::signbit(fused);
        }
    }
}

void Levels::put(const std::uint8_t* pixels, int count, ncnn::Mat& input, int y, int x) const {
    const std::array<float*, 3> planes{input.channel(0).row(y) + x, input.channel(1).row(y) + x, input.channel(2).row(y) + x};
    const auto end = static_cast<std::size_t>(count);
    const std::size_t done = multiply(pixels, end, planes);
    for (std::size_t i = 0; i < planes.size(); ++i) look_up(pixels, done, end, i, planes[i]);
}

void Levels::look_up(const std::uint8_t* pixels, std::size_t begin, std::size_t end, std::size_t plane, float* to) const {
    const std::array<float, 256>& values = planes_[plane].values;
    const std::uint8_t* const from = pixels + channel(plane);
    for (std::size_t i = begin; i < end; ++i) to[i] = values[from[3 * i]];
}

// Sixteen pixels at a time, where that gives the same bits; how many there were.
#ifdef __aarch64__
std::size_t Levels::multiply(const std::uint8_t* pixels, std::size_t count, const std::array<float*, 3>& planes) const {
    if (!planes_[0].fused || !planes_[1].fused || !planes_[2].fused) return 0;
    std::size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        const uint8x16x3_t levels = vld3q_u8(pixels + 3 * at);
        for (std::size_t c = 0; c < planes.size(); ++c) {
            const std::size_t plane = channel(c);
            multiply_16(levels.val[c], planes_[plane].norm, planes_[plane].bias, planes[plane] + at);
        }
    }
    return at;
}
#else
std::size_t Levels::multiply(const std::uint8_t*, std::size_t, const std::array<float*, 3>&) const { return 0; }
#endif

float Levels::value(const std::array<std::uint8_t, 3>& pixel, std::size_t plane) const {
    return planes_[plane].values[pixel[channel(plane)]];
}

}  // namespace nnrun
