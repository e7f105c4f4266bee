#include "kernels/key_products.h"

#include <cpu.h>

#include <algorithm>
#include <cstring>

#include "kernels/floats.h"

namespace nnrun {
namespace {

constexpr int keys_of_panel = 8;
constexpr int largest = 127 * 128;
constexpr std::size_t step = 16;

float peak_of(const float* values, std::size_t count) {
    F4 peaks = four(0);
    for (std::size_t i = 0; i < count; i += 4) peaks = larger(magnitude(load4(values + i)), peaks);
    return largest_of(peaks);
}

// Four values of one query, with those of a whole tile between them.
constexpr std::size_t stride = static_cast<std::size_t>(IntegerQueries::tile) * 4;

void split(const float* values, F4 factor, std::int8_t* high, std::int8_t* low) {
    I4 highs[4], lows[4];
    for (std::size_t part = 0; part < 4; ++part) {
        const I4 integers = rounded(load4(values + part * 4) * factor);
        highs[part] = (integers + I4{64, 64, 64, 64}) >> I4{7, 7, 7, 7};
        lows[part] = integers - (highs[part] << I4{7, 7, 7, 7});
    }
    store_bytes(high, stride, to_bytes(highs));
    store_bytes(low, stride, to_bytes(lows));
}

}  // namespace

IntegerQueries::IntegerQueries(const float* queries, std::size_t row_stride, int count, int size)
    : count_(count), size_(size), depth_((static_cast<std::size_t>(size) + step - 1) / step * step) {
    const std::size_t tiles = static_cast<std::size_t>((count + tile - 1) / tile), bytes = tiles * tile * depth_;
    high_.reset(new std::int8_t[bytes]);
    low_.reset(new std::int8_t[bytes]);
    if (count % tile != 0) {
        std::fill_n(high_.get() + (tiles - 1) * tile * depth_, tile * depth_, std::int8_t{0});
        std::fill_n(low_.get() + (tiles - 1) * tile * depth_, tile * depth_, std::int8_t{0});
    }
    for (int query = 0; query < count; ++query) add(queries + static_cast<std::size_t>(query) * row_stride, query);
}

void IntegerQueries::add(const float* values, int query) {
    float padded[largest_query];
    if (depth_ != static_cast<std::size_t>(size_)) {
        std::fill_n(padded, depth_, 0.0f);
        std::copy_n(values, size_, padded);
        values = padded;
    }
    const float peak = peak_of(values, depth_);
    const F4 factor = four(peak > 0 ? static_cast<float>(largest) / peak : 0.0f);
    scales_[query] = peak / static_cast<float>(largest);
    const std::size_t at = place(query / tile * tile) + static_cast<std::size_t>(query % tile) * 4;
    for (std::size_t k = 0; k < depth_; k += step) split(values + k, factor, high_.get() + at + k * tile, low_.get() + at + k * tile);
}

void multiply_keys(const IntegerQueries& queries, const std::int8_t* keys, const float* key_scales, float* scores,
                   std::size_t score_stride) {
    for (int query = 0; query < queries.count(); ++query, scores += score_stride) {
        const int first = query / IntegerQueries::tile * IntegerQueries::tile;
        const std::int8_t *high = queries.high(first) + query % IntegerQueries::tile * 4,
                          *low = queries.low(first) + query % IntegerQueries::tile * 4, *panel = keys;
        // A sum for each of the four values that lie together, so that a compiler finds its instructions.
        std::int32_t sums[keys_of_panel * 4] = {};
        for (int k = 0; k < queries.size(); k += 4, high += stride, low += stride, panel += keys_of_panel * 4) {
            std::int16_t values[4];
            for (int i = 0; i < 4; ++i) values[i] = static_cast<std::int16_t>(high[i] * 128 + low[i]);
            for (int i = 0; i < keys_of_panel * 4; ++i) sums[i] += panel[i] * values[i % 4];
        }
        for (int key = 0; key < keys_of_panel; ++key) {
            const std::int32_t* four_sums = sums + key * 4;
            const std::int32_t sum = (four_sums[0] + four_sums[1]) + (four_sums[2] + four_sums[3]);
            scores[key] = static_cast<float>(sum) * (key_scales[key] * queries.scale(query));
        }
    }
}

KeyProduct key_product() {
#if defined(__aarch64__)
    if (ncnn::cpu_support_arm_asimddp() != 0) return multiply_keys_armv82;
#endif
    return multiply_keys;
}

}  // namespace nnrun
