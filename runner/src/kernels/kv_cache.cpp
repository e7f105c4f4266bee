#include "kernels/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "core/failure.h"
#include "kernels/float_panels.h"
#include "kernels/key_products.h"

namespace nnrun {
namespace {

constexpr int panel_tokens = 8;
// Of the values.
constexpr int panel_columns = 8;

void write(float* to, float value) { *to = value; }

void write(Half* to, float value) { *to = to_half(value); }

float value_of(std::int8_t value) { return static_cast<float>(value); }

float value_of(float stored) { return stored; }

float value_of(Half stored) { return to_float(stored); }

void write(std::int8_t* to, float value) { *to = static_cast<std::int8_t>(std::lrintf(value)); }

// What the largest magnitude of the values is 127 of, rounded up to 16 bits: so 127 times it is exact, and values
// that were read from a cache are stored again as they were.
float step_of(const float* values, std::size_t count) {
    float peak = 0;
    for (std::size_t i = 0; i < count; ++i) peak = std::max(peak, std::fabs(values[i]));
    const float step = peak / 127.0f;
    std::uint32_t bits = 0;
    std::memcpy(&bits, &step, sizeof bits);
    bits = (bits + 0xff) & ~std::uint32_t{0xff};
    float rounded = 0;
    std::memcpy(&rounded, &bits, sizeof rounded);
    return rounded > 0 && std::isfinite(rounded) ? rounded : 1.0f;
}

// Where value `i` of a panel's token lies.
template <typename T>
std::size_t key_place(std::size_t i, std::size_t token) {
    constexpr std::size_t together = std::is_same_v<T, std::int8_t> ? 4 : 1;
    return (i / together * panel_tokens + token) * together + i % together;
}

int whole_panels(int rows) { return (rows + panel_tokens - 1) / panel_tokens * panel_tokens; }

}  // namespace

void KvCache::Release::operator()(void* memory) const { std::free(memory); }

// The kernel gives zeroed pages when they are first touched.
KvCache::Memory KvCache::reserve(std::size_t bytes) {
    Memory memory(std::calloc(1, bytes));
    if (memory == nullptr)
        throw Failure(Exit::model, "not enough memory for a cache of " + std::to_string(bytes) + " bytes; use a smaller context");
    return memory;
}

KvCache::KvCache(int kv_heads, int head_size, int capacity, CacheFormat format)
    : kv_heads_(kv_heads), head_size_(head_size), capacity_(capacity), padded_(whole_panels(capacity)), format_(format) {
    if (kv_heads < 1 || head_size < 1 || head_size % 8 != 0 || capacity < 1)
        throw Failure(Exit::model, "cannot make a cache of " + std::to_string(kv_heads) + " heads of " + std::to_string(head_size) +
                                       " values and " + std::to_string(capacity) + " tokens; the size of a head must be a multiple of 8");
    if (format == CacheFormat::int8 && head_size > largest_query)
        throw Failure(Exit::model, "an int8 cache takes heads of up to " + std::to_string(largest_query) + " values, not " +
                                       std::to_string(head_size) + "; use another --cache");
    if (format == CacheFormat::int8) {
        key_scales_.resize(static_cast<std::size_t>(kv_heads) * static_cast<std::size_t>(padded_));
        value_scales_.resize(key_scales_.size());
    }
    const std::size_t bytes = static_cast<std::size_t>(kv_heads) * head_values() * value_size();
    keys_ = reserve(bytes);
    values_ = reserve(bytes);
}

std::size_t KvCache::value_size() const {
    if (format_ == CacheFormat::int8) return sizeof(std::int8_t);
    return format_ == CacheFormat::fp32 ? sizeof(float) : sizeof(Half);
}

std::size_t KvCache::bytes() const {
    return 2 * static_cast<std::size_t>(kv_heads_) * static_cast<std::size_t>(head_size_) * static_cast<std::size_t>(rows_) * value_size();
}

template <typename T>
void KvCache::append_head(std::size_t head, const float* key, const float* value) {
    const auto size = static_cast<std::size_t>(head_size_), row = static_cast<std::size_t>(rows_);
    T* panel = static_cast<T*>(keys_.get()) + head * head_values() + row / panel_tokens * panel_tokens * size;
    T* values = static_cast<T*>(values_.get()) + head * head_values() + row * size;
    float key_step = 1, value_step = 1;
    if (format_ == CacheFormat::int8) {
        const std::size_t place = head * static_cast<std::size_t>(padded_) + row;
        key_scales_[place] = key_step = step_of(key, size);
        value_scales_[place] = value_step = step_of(value, size);
    }
    for (std::size_t i = 0; i < size; ++i) {
        write(panel + key_place<T>(i, row % panel_tokens), key[i] / key_step);
        write(values + i, value[i] / value_step);
    }
}

void KvCache::append(const float* keys, const float* values) {
    for (std::size_t head = 0; head < static_cast<std::size_t>(kv_heads_); ++head) {
        const std::size_t at = head * static_cast<std::size_t>(head_size_);
        if (format_ == CacheFormat::fp32)
            append_head<float>(head, keys + at, values + at);
        else if (format_ == CacheFormat::fp16)
            append_head<Half>(head, keys + at, values + at);
        else
            append_head<std::int8_t>(head, keys + at, values + at);
    }
    ++rows_;
}

template <typename T>
void KvCache::read_head(std::size_t head, std::size_t row, float* key, float* value) const {
    const auto size = static_cast<std::size_t>(head_size_);
    const T* panel = static_cast<const T*>(keys_.get()) + head * head_values() + row / panel_tokens * panel_tokens * size;
    const T* values = static_cast<const T*>(values_.get()) + head * head_values() + row * size;
    const std::size_t place = head * static_cast<std::size_t>(padded_) + row;
    const float key_step = key_scales_.empty() ? 1 : key_scales_[place], value_step = value_scales_.empty() ? 1 : value_scales_[place];
    for (std::size_t i = 0; i < size; ++i) {
        key[i] = value_of(panel[key_place<T>(i, row % panel_tokens)]) * key_step;
        value[i] = value_of(values[i]) * value_step;
    }
}

void KvCache::read_row(int row, float* keys, float* values) const {
    for (std::size_t head = 0; head < static_cast<std::size_t>(kv_heads_); ++head) {
        const std::size_t at = head * static_cast<std::size_t>(head_size_);
        if (format_ == CacheFormat::fp32)
            read_head<float>(head, static_cast<std::size_t>(row), keys + at, values + at);
        else if (format_ == CacheFormat::fp16)
            read_head<Half>(head, static_cast<std::size_t>(row), keys + at, values + at);
        else
            read_head<std::int8_t>(head, static_cast<std::size_t>(row), keys + at, values + at);
    }
}

void KvCache::truncate(int rows) { rows_ = std::min(rows_, std::max(rows, 0)); }

void KvCache::score(int head, const float* queries, std::size_t query_stride, int count, int rows, float* scores,
                    std::size_t score_stride) const {
    if (format_ == CacheFormat::int8) return score_integers(head, queries, query_stride, count, rows, scores, score_stride);
    const auto product = [&](const auto* keys) {
        const auto panels = static_cast<std::size_t>(whole_panels(rows) / panel_tokens),
                   next = static_cast<std::size_t>(head_size_) * panel_tokens;
        const FloatPanels<std::decay_t<decltype(*keys)>> seen{keys + static_cast<std::size_t>(head) * head_values(), panels, next,
                                                              panel_tokens, head_size_};
        multiply_panels(queries, query_stride, count, seen, scores, score_stride);
    };
    if (format_ == CacheFormat::fp32) return product(static_cast<const float*>(keys_.get()));
    product(static_cast<const Half*>(keys_.get()));
}

void KvCache::score_integers(int head, const float* queries, std::size_t query_stride, int count, int rows, float* scores,
                             std::size_t score_stride) const {
    static const KeyProduct product = key_product();
    const IntegerQueries integers(queries, query_stride, count, head_size_);
    const std::int8_t* panel = static_cast<const std::int8_t*>(keys_.get()) + static_cast<std::size_t>(head) * head_values();
    const float* scales = key_scales_.data() + static_cast<std::ptrdiff_t>(head) * padded_;
    const std::size_t panel_values = static_cast<std::size_t>(head_size_) * panel_tokens;
    for (int first = 0; first < rows; first += panel_tokens, panel += panel_values, scales += panel_tokens)
        product(integers, panel, scales, scores + first, score_stride);
}

void KvCache::scale_weights(int head, float* weights, int rows) const {
    if (format_ != CacheFormat::int8) return;
    const float* scales = value_scales_.data() + static_cast<std::size_t>(head * padded_);
    for (int i = 0; i < rows; ++i) weights[i] *= scales[i];
}

void KvCache::mix(int head, const float* weights, std::size_t weight_stride, int count, int rows, float* sums,
                  std::size_t sum_stride) const {
    const auto size = static_cast<std::size_t>(head_size_);
    const auto product = [&](const auto* values) {
        const auto* first = values + static_cast<std::size_t>(head) * head_values();
        const FloatPanels<std::decay_t<decltype(*values)>> columns{first, size / panel_columns, panel_columns, size, rows};
        multiply_panels(weights, weight_stride, count, columns, sums, sum_stride);
    };
    if (format_ == CacheFormat::fp32) return product(static_cast<const float*>(values_.get()));
    if (format_ == CacheFormat::fp16) return product(static_cast<const Half*>(values_.get()));
    product(static_cast<const std::int8_t*>(values_.get()));
}

}  // namespace nnrun
