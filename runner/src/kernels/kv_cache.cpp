#include "kernels/kv_cache.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>

#include "core/failure.h"
#include "kernels/float_panels.h"

namespace nnrun {
namespace {

constexpr int panel_tokens = 8;

void write(float* to, float value) { *to = value; }

void write(Half* to, float value) { *to = to_half(value); }

float value_of(float stored) { return stored; }

float value_of(Half stored) { return to_float(stored); }

int whole_panels(int rows) { return (rows + panel_tokens - 1) / panel_tokens * panel_tokens; }

}  // namespace

void KvCache::Release::operator()(void* memory) const { std::free(memory); }

// The kernel gives zeroed pages when they are first touched.
KvCache::Memory KvCache::reserve(std::size_t bytes) {
    Memory memory(std::calloc(1, bytes));
    if (memory == nullptr)
        throw Failure(Exit::model, "no memory for a cache of " + std::to_string(bytes) + " bytes; choose a smaller context");
    return memory;
}

KvCache::KvCache(int kv_heads, int head_size, int capacity, CacheFormat format)
    : kv_heads_(kv_heads), head_size_(head_size), capacity_(capacity), padded_(whole_panels(capacity)), format_(format) {
    if (kv_heads < 1 || head_size < 1 || head_size % 8 != 0 || capacity < 1)
        throw Failure(Exit::model, "no cache of " + std::to_string(kv_heads) + " heads of " + std::to_string(head_size) + " values and " +
                                       std::to_string(capacity) + " tokens; heads have a multiple of 8 values");
    if (format == CacheFormat::int8) throw Failure(Exit::model, "no int8 cache yet");
    const std::size_t bytes = static_cast<std::size_t>(kv_heads) * head_values() * value_size();
    keys_ = reserve(bytes);
    values_ = reserve(bytes);
}

std::size_t KvCache::bytes() const {
    return 2 * static_cast<std::size_t>(kv_heads_) * static_cast<std::size_t>(head_size_) * static_cast<std::size_t>(rows_) * value_size();
}

template <typename T>
void KvCache::append_head(std::size_t head, const float* key, const float* value) {
    const auto size = static_cast<std::size_t>(head_size_), row = static_cast<std::size_t>(rows_);
    T* panel = static_cast<T*>(keys_.get()) + head * head_values() + row / panel_tokens * panel_tokens * size;
    T* values = static_cast<T*>(values_.get()) + head * head_values() + row * size;
    for (std::size_t i = 0; i < size; ++i) {
        write(panel + i * panel_tokens + row % panel_tokens, key[i]);
        write(values + i, value[i]);
    }
}

void KvCache::append(const float* keys, const float* values) {
    for (std::size_t head = 0; head < static_cast<std::size_t>(kv_heads_); ++head) {
        const std::size_t at = head * static_cast<std::size_t>(head_size_);
        if (format_ == CacheFormat::fp32)
            append_head<float>(head, keys + at, values + at);
        else
            append_head<Half>(head, keys + at, values + at);
    }
    ++rows_;
}

template <typename T>
void KvCache::read_head(std::size_t head, std::size_t row, float* key, float* value) const {
    const auto size = static_cast<std::size_t>(head_size_);
    const T* panel = static_cast<const T*>(keys_.get()) + head * head_values() + row / panel_tokens * panel_tokens * size;
    const T* values = static_cast<const T*>(values_.get()) + head * head_values() + row * size;
    for (std::size_t i = 0; i < size; ++i) {
        key[i] = value_of(panel[i * panel_tokens + row % panel_tokens]);
        value[i] = value_of(values[i]);
    }
}

void KvCache::read_row(int row, float* keys, float* values) const {
    for (std::size_t head = 0; head < static_cast<std::size_t>(kv_heads_); ++head) {
        const std::size_t at = head * static_cast<std::size_t>(head_size_);
        if (format_ == CacheFormat::fp32)
            read_head<float>(head, static_cast<std::size_t>(row), keys + at, values + at);
        else
            read_head<Half>(head, static_cast<std::size_t>(row), keys + at, values + at);
    }
}

void KvCache::truncate(int rows) { rows_ = std::min(rows_, std::max(rows, 0)); }

void KvCache::score(int head, const float* queries, std::size_t query_stride, int count, int first, float* scores,
                    std::size_t score_stride) const {
    const std::size_t at =
        static_cast<std::size_t>(head) * head_values() + static_cast<std::size_t>(first) * static_cast<std::size_t>(head_size_);
    if (format_ == CacheFormat::fp32)
        multiply_panel(queries, query_stride, count, static_cast<const float*>(keys_.get()) + at, panel_tokens, head_size_, scores,
                       score_stride);
    else
        multiply_panel(queries, query_stride, count, static_cast<const Half*>(keys_.get()) + at, panel_tokens, head_size_, scores,
                       score_stride);
}

void KvCache::mix(int head, const float* weights, std::size_t weight_stride, int count, int rows, int first_column, float* sums,
                  std::size_t sum_stride) const {
    const auto stride = static_cast<std::size_t>(head_size_);
    const std::size_t at = static_cast<std::size_t>(head) * head_values() + static_cast<std::size_t>(first_column);
    if (format_ == CacheFormat::fp32)
        multiply_panel(weights, weight_stride, count, static_cast<const float*>(values_.get()) + at, stride, rows, sums, sum_stride);
    else
        multiply_panel(weights, weight_stride, count, static_cast<const Half*>(values_.get()) + at, stride, rows, sums, sum_stride);
}

}  // namespace nnrun
