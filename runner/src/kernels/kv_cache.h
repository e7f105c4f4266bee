#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/floats.h"

namespace nnrun {

enum class CacheFormat { fp32, fp16, int8 };

// The keys and values of one Attention layer, a row a token. Memory for all rows is reserved at once, and used
// as rows come. Keys lie in panels of eight tokens, so that a query meets eight at a time, in int8 four values of each
// together; values lie in rows.
class KvCache {
public:
    // A Failure with Exit::model where `head_size` is not a multiple of 8, or the memory cannot be reserved.
    KvCache(int kv_heads, int head_size, int capacity, CacheFormat format = CacheFormat::fp32);

    int kv_heads() const { return kv_heads_; }
    int head_size() const { return head_size_; }
    int capacity() const { return capacity_; }
    CacheFormat format() const { return format_; }
    int rows() const { return rows_; }
    // That the rows take, of what is reserved.
    std::size_t bytes() const;

    // Each kv_heads * head_size floats. There must be room: rows() < capacity().
    void append(const float* keys, const float* values);
    // What append() would store again as this row.
    void read_row(int row, float* keys, float* values) const;
    // Forgets what came after the first `rows` rows.
    void truncate(int rows);

    // scores[i * score_stride + t] = queries[i] . key[t] for t < `rows`, for 1 to 8 queries of one head. Scores are written in
    // eights: what lies beyond rows() is any finite number.
    void score(int head, const float* queries, std::size_t query_stride, int count, int rows, float* scores,
               std::size_t score_stride) const;
    // weights[t] *= the scale of value[t], of an int8 cache: before mix().
    void scale_weights(int head, float* weights, int rows) const;
    // sums[i * sum_stride + column] = sum over t < rows of weights[i][t] * value[t][column], for all columns of the head.
    void mix(int head, const float* weights, std::size_t weight_stride, int count, int rows, float* sums, std::size_t sum_stride) const;

private:
    struct Release {
        void operator()(void* memory) const;
    };
    using Memory = std::unique_ptr<void, Release>;

    static Memory reserve(std::size_t bytes);
    std::size_t head_values() const { return static_cast<std::size_t>(padded_) * static_cast<std::size_t>(head_size_); }
    std::size_t value_size() const;
    void score_integers(int head, const float* queries, std::size_t query_stride, int count, int rows, float* scores,
                        std::size_t score_stride) const;
    template <typename T>
    void read_head(std::size_t head, std::size_t row, float* key, float* value) const;
    template <typename T>
    void append_head(std::size_t head, const float* key, const float* value);

    int kv_heads_;
    int head_size_;
    int capacity_;
    int padded_;  // capacity in whole panels
    CacheFormat format_;
    int rows_ = 0;
    std::vector<float> key_scales_;  // of int8: [kv_heads][padded]
    std::vector<float> value_scales_;
    Memory keys_;
    Memory values_;
};

}  // namespace nnrun
