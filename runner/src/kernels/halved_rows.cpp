#include "kernels/halved_rows.h"

#include <cpu.h>

#include <algorithm>
#include <cmath>

#include "kernels/floats.h"

namespace nnrun {
namespace {

// Halves below 2^4: 32 products with weights below 128 do not overflow.
constexpr int largest_exponent = 4;

float peak_of(const float* row, int count) {
    F4 peaks = four(0);
    int i = 0;
    for (; i + 4 <= count; i += 4) peaks = larger(magnitude(load4(row + i)), peaks);
    float peak = largest_of(peaks);
    for (; i < count; ++i) peak = std::max(peak, std::fabs(row[i]));
    return peak;
}

// The scale that the halves are divided by.
float scale_of(float peak) {
    int exponent = 0;
    std::frexp(peak, &exponent);
    return peak > 0 && std::isfinite(peak) ? std::ldexp(1.0f, std::max(exponent - largest_exponent, -120)) : 1.0f;
}

void halve_row(const float* row, int inputs, unsigned short* values, std::size_t stride, float* scale) {
    *scale = scale_of(peak_of(row, inputs));
    const float factor = 1.0f / *scale;
    int i = 0;
    for (; i + 4 <= inputs; i += 4, values += 4 * stride) store_halves(values, stride, load4(row + i) * four(factor));
    for (; i < inputs; ++i, values += stride) *values = to_half(row[i] * factor);
}

}  // namespace

HalvedRows::HalvedRows(const float* rows, int count, int inputs, int threads) {
    const std::vector<RowTile> tiles = row_tiles(count);
    const auto depth = static_cast<std::size_t>(inputs);
    // Zeros, for the rows that fill up.
    values_.reset(new unsigned short[tiled_rows(count) * depth]());
    scales_.reset(new float[tiled_rows(count)]());
    for (const RowTile& tile : tiles) {
        const auto first = static_cast<std::size_t>(tile.first);
        tiles_.push_back({tile, values_.get() + first * depth, scales_.get() + first});
    }
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int row = 0; row < count; ++row) {
        const RowTile& tile = tiles[static_cast<std::size_t>(row / tile_rows)];
        const auto at = static_cast<std::size_t>(row), first = static_cast<std::size_t>(tile.first);
        halve_row(rows + at * depth, inputs, values_.get() + first * depth + (at - first), static_cast<std::size_t>(tile.rows),
                  scales_.get() + at);
    }
}

HalfProduct half_product() {
#if defined(__aarch64__)
    if (ncnn::cpu_support_arm_asimdhp() != 0) return multiply_halves_armv82;
#endif
    return nullptr;
}

}  // namespace nnrun
