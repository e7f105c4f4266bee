#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/row_tiles.h"

namespace nnrun {

// Values of a head of queries, at most: more would not fit into the sums.
constexpr int largest_query = 1024;

// One to eight queries as integers of 15 bits, for keys of int8: value = scale * (128 * high + low). Four queries make a
// tile, [inputs / 4][4 queries][4] bytes of each part; what only fills a tile is zero.
class IntegerQueries {
public:
    static constexpr int tile = 4;

    // Each has `size` values, a multiple of 8.
    IntegerQueries(const float* queries, std::size_t stride, int count, int size);

    int count() const { return count_; }
    int size() const { return size_; }
    // Of the tile that begins with that query.
    const std::int8_t* high(int first) const { return high_.get() + place(first); }
    const std::int8_t* low(int first) const { return low_.get() + place(first); }
    float scale(int query) const { return scales_[query]; }

private:
    std::size_t place(int first) const { return static_cast<std::size_t>(first) * depth_; }
    void add(const float* values, int query);

    int count_;
    int size_;
    std::size_t depth_;  // the size in whole steps
    std::unique_ptr<std::int8_t[]> high_;
    std::unique_ptr<std::int8_t[]> low_;
    float scales_[tile_rows] = {};
};

// scores[query * stride + t] = query . key[t] of eight keys, [size / 4][8 keys][4] bytes and a scale each. Integers are multiplied and
// added exactly: the scores are the same on every machine.
using KeyProduct = void (*)(const IntegerQueries& queries, const std::int8_t* keys, const float* key_scales, float* scores,
                            std::size_t stride);

// The fastest that this CPU can.
KeyProduct key_product();

void multiply_keys(const IntegerQueries& queries, const std::int8_t* keys, const float* key_scales, float* scores, std::size_t stride);
// With the dot product instructions of ARMv8.2, where asimddp is there.
void multiply_keys_armv82(const IntegerQueries& queries, const std::int8_t* keys, const float* key_scales, float* scores,
                          std::size_t stride);

}  // namespace nnrun
