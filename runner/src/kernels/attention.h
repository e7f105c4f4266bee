#pragma once

#include <layer.h>

#include <string>
#include <vector>

#include "kernels/attention_shape.h"
#include "kernels/kv_cache.h"

namespace nnrun {

// The layer Attention: rows of queries, keys and values side by side -> rows of the heads' outputs. Queries and
// keys may be normalised and are turned by their position (Hugging Face's half-split rotary embedding).
class Attention : public ncnn::Layer {
public:
    Attention();

    int load_param(const ncnn::ParamDict& params) override;
    int load_model(const ncnn::ModelBin& weights) override;
    int forward(const std::vector<ncnn::Mat>& bottoms, std::vector<ncnn::Mat>& tops, const ncnn::Option& option) const override;

    const AttentionShape& shape() const { return shape_; }

    // From now on rows are appended to this cache, and their positions go on from those in it; null: a run knows
    // only its own rows. The cache must fit the shape, have room for the rows of each run and outlive the layer.
    void bind(KvCache* cache) { cache_ = cache; }
    KvCache* cache() const { return cache_; }

private:
    void prepare(float* row, int position) const;
    void turn(float* head, const float* cosines, const float* sines) const;
    void attend(const KvCache& cache, const float* rows, int count, float* output, int threads) const;

    AttentionShape shape_;
    const float* frequencies_ = nullptr;
    const float* query_norm_ = nullptr;
    const float* key_norm_ = nullptr;
    KvCache* cache_ = nullptr;
};

}  // namespace nnrun
