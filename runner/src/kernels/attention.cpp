#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "core/failure.h"
#include "kernels/pointwise.h"
#include "kernels/row_tiles.h"
#include "kernels/section.h"

namespace nnrun {
namespace {

float largest(const float* values, int count) {
    F4 peaks = four(values[0]);
    int i = 0;
    for (; i + 4 <= count; i += 4) peaks = larger(load4(values + i), peaks);
    float peak = largest_of(peaks);
    for (; i < count; ++i) peak = std::max(peak, values[i]);
    return peak;
}

// The first `count` scores become e^(scale * (score - the largest)); the result is their sum.
float exponentials(float* scores, int count, float scale) {
    const float peak = largest(scores, count);
    F4 sums = four(0);
    int i = 0;
    for (; i + 4 <= count; i += 4) {
        const F4 value = exponential((load4(scores + i) - four(peak)) * four(scale));
        store4(scores + i, value);
        sums = sums + value;
    }
    float sum = sum_of(sums);
    for (; i < count; ++i) {
        scores[i] = exponential(four((scores[i] - peak) * scale))[0];
        sum += scores[i];
    }
    return sum;
}

// Rows of one run that are computed together: queries of one head of keys, each with what it may see.
struct Queries {
    const float* values[tile_rows] = {};
    float* outputs[tile_rows] = {};
    int visible[tile_rows] = {};  // tokens, from the first
    int count = 0;

    int most_visible() const { return *std::max_element(visible, visible + count); }
};

// Scratch for a tile of queries.
class Tile {
public:
    Tile(const KvCache& cache, float scale)
        : cache_(cache),
          scale_(scale),
          size_(static_cast<std::size_t>(cache.head_size())),
          stride_((static_cast<std::size_t>(cache.rows()) + 7) / 8 * 8) {
        queries_.reset(new float[tile_rows * size_]);
        scores_.reset(new float[tile_rows * stride_]);
    }

    void attend(int head, const Queries& queries) {
        for (int i = 0; i < queries.count; ++i)
            std::memcpy(queries_.get() + static_cast<std::size_t>(i) * size_, queries.values[i], size_ * sizeof(float));
        const int seen = queries.most_visible();
        cache_.score(head, queries_.get(), size_, queries.count, seen, scores_.get(), stride_);
        float sums[tile_rows];
        for (int i = 0; i < queries.count; ++i) sums[i] = weigh(head, i, queries.visible[i], seen);
        // The queries are not needed any more: their place takes what becomes of them.
        cache_.mix(head, scores_.get(), stride_, queries.count, seen, queries_.get(), size_);
        for (int i = 0; i < queries.count; ++i) write(i, 1.0f / sums[i], queries.outputs[i]);
    }

private:
    float weigh(int head, int i, int visible, int seen) {
        float* const scores = scores_.get() + static_cast<std::size_t>(i) * stride_;
        std::fill(scores + visible, scores + seen, 0.0f);
        const float sum = exponentials(scores, visible, scale_);
        cache_.scale_weights(head, scores, visible);
        return sum;
    }

    void write(int i, float factor, float* output) const {
        const float* const mixed = queries_.get() + static_cast<std::size_t>(i) * size_;
        for (std::size_t k = 0; k < size_; k += 4) store4(output + k, load4(mixed + k) * four(factor));
    }

    const KvCache& cache_;
    float scale_;
    std::size_t size_;
    std::size_t stride_;
    std::unique_ptr<float[]> queries_;
    std::unique_ptr<float[]> scores_;
};

}  // namespace

Attention::Attention() {
    one_blob_only = false;
    support_inplace = false;
}

int Attention::load_param(const ncnn::ParamDict& params) {
    shape_.heads = params.get(0, 0);
    shape_.kv_heads = params.get(1, 0);
    shape_.head_size = params.get(2, 0);
    shape_.scale = params.get(3, 0.0f);
    shape_.rotary = params.get(4, 0);
    shape_.qk_norm = params.get(5, 0);
    shape_.eps = params.get(6, 0.0f);
    shape_.causal = params.get(7, 0);
    return 0;
}

int Attention::load_model(const ncnn::ModelBin& weights) {
    Section section(weights, "layer " + name + " (Attention)");
    const auto size = static_cast<std::size_t>(shape_.head_size);
    if (shape_.rotary > 0) frequencies_ = section.part<float>(static_cast<std::size_t>(shape_.rotary) / 2);
    if (shape_.qk_norm != 0) {
        query_norm_ = section.part<float>(size);
        key_norm_ = section.part<float>(size);
    }
    return 0;
}

// The second half of the turned values pairs with the first.
void Attention::turn(float* head, const float* cosines, const float* sines) const {
    const int half = shape_.rotary / 2;
    for (int i = 0; i < half; ++i) {
        const float low = head[i], high = head[i + half];
        head[i] = low * cosines[i] - high * sines[i];
        head[i + half] = high * cosines[i] + low * sines[i];
    }
}

void Attention::prepare(float* row, int position) const {
    const int half = shape_.rotary / 2, size = shape_.head_size;
    const auto turned = std::unique_ptr<float[]>(new float[static_cast<std::size_t>(2 * half + size)]);
    float* const cosines = turned.get();
    float* const sines = cosines + half;
    float* const normal = sines + half;
    for (int i = 0; i < half; ++i) {
        const float angle = static_cast<float>(position) * frequencies_[i];
        cosines[i] = std::cos(angle);
        sines[i] = std::sin(angle);
    }
    for (int head = 0; head < shape_.heads + shape_.kv_heads; ++head, row += size) {
        if (shape_.qk_norm != 0) {
            normalise(Norm::rms, shape_.eps, row, size, head < shape_.heads ? query_norm_ : key_norm_, nullptr, normal);
            std::memcpy(row, normal, static_cast<std::size_t>(size) * sizeof(float));
        }
        turn(row, cosines, sines);
    }
}

int Attention::forward(const std::vector<ncnn::Mat>& bottoms, std::vector<ncnn::Mat>& tops, const ncnn::Option& option) const {
    const ncnn::Mat& qkv = bottoms[0];
    const int rows = qkv.h;
    if (qkv.dims > 2 || qkv.w != shape_.inputs()) return -1;
    if (qkv.dims == 1)
        tops[0].create(shape_.outputs(), qkv.elemsize, option.blob_allocator);
    else
        tops[0].create(shape_.outputs(), rows, qkv.elemsize, option.blob_allocator);
    ncnn::Mat turned = qkv.clone(option.workspace_allocator);
    if (tops[0].empty() || turned.empty()) return -100;
    std::unique_ptr<KvCache> own;
    if (cache_ == nullptr) own = std::make_unique<KvCache>(shape_.kv_heads, shape_.head_size, rows);
    KvCache& cache = cache_ != nullptr ? *cache_ : *own;
    if (cache.rows() + rows > cache.capacity())
        throw Failure(Exit::input, "layer " + name + " (Attention): no room for " + std::to_string(rows) +
                                       " more tokens; the cache holds " + std::to_string(cache.rows()) + " of " +
                                       std::to_string(cache.capacity()));
    for (int i = 0; i < rows; ++i) {
        float* const row = turned.row(i);
        prepare(row, cache.rows());
        const float* const keys = row + shape_.outputs();
        cache.append(keys, keys + shape_.kv_heads * shape_.head_size);
    }
    attend(cache, turned, rows, tops[0], option.num_threads);
    return 0;
}

void Attention::attend(const KvCache& cache, const float* rows, int count, float* output, int threads) const {
    const int group = shape_.group(), past = cache.rows() - count;
    const int queries = group * count, tiles = (queries + tile_rows - 1) / tile_rows;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int task = 0; task < tiles * shape_.kv_heads; ++task) {
        const int head = task / tiles, first = task % tiles * tile_rows;
        Queries tile;
        for (int query = first; query < std::min(first + tile_rows, queries); ++query) {
            const int row = query / group, column = (head * group + query % group) * shape_.head_size;
            tile.values[tile.count] = rows + static_cast<std::ptrdiff_t>(row) * shape_.inputs() + column;
            tile.outputs[tile.count] = output + static_cast<std::ptrdiff_t>(row) * shape_.outputs() + column;
            tile.visible[tile.count++] = shape_.causal != 0 ? past + row + 1 : past + count;
        }
        Tile(cache, shape_.scale).attend(head, tile);
    }
}

}  // namespace nnrun
