#pragma once

#include <layer.h>

#include <functional>
#include <string>
#include <vector>

#include "kernels/floats.h"
#include "kernels/halved_rows.h"
#include "kernels/integer_panels.h"
#include "kernels/linear_shape.h"

namespace nnrun {

// The layer LinearQ: y = act(norm(x) W^T + b), plus a second input where there is one; with a gate
// y = SiLU(norm(x) G^T) * (norm(x) U^T). Its weights stay in the mapped .bin; their layout is that of the kernels.
class LinearQ : public ncnn::Layer {
public:
    LinearQ();

    int load_param(const ncnn::ParamDict& params) override;
    int load_model(const ncnn::ModelBin& weights) override;
    int forward(const std::vector<ncnn::Mat>& bottoms, std::vector<ncnn::Mat>& tops, const ncnn::Option& option) const override;

    const LinearShape& shape() const { return shape_; }
    // The bytes that one run reads.
    std::size_t weight_bytes() const;

    // y[rows][outputs] of x[rows][inputs], both without gaps; `residual`, as large as y, may be null.
    void compute(const float* x, int rows, const float* residual, float* y, int threads) const;

    // Row `index` of the matrix, `inputs` floats: an embedding, where the matrix is tied to one.
    void row(int index, float* values) const;

private:
    // Of `count` panels of the file: sums[panel][row][8], where the rows fill tiles of eight up. There is room for a panel
    // that is unpacked.
    using Product = std::function<void(std::size_t first, std::size_t count, float* sums, signed char* unpacked)>;

    void compute_chunk(const float* x, int rows, const float* residual, float* y, int threads) const;
    void compute_panels(const Product& product, int rows, const float* residual, float* y, int threads) const;
    std::size_t strip_panels(int rows, int threads) const;
    bool is_plain(std::size_t first, std::size_t count) const;
    void finish(std::size_t panel, float* sums, float* ups, int rows, const float* residual, float* y) const;
    void finish_part(std::size_t first, float* sums, const float* ups, int rows, const float* residual, float* y) const;
    IntegerPanels integer_panels(std::size_t first, std::size_t count) const;
    void compute_floats(const float* x, int rows, const float* residual, float* y, int threads) const;
    void compute_halves(const float* x, int rows, const float* residual, float* y, int threads) const;
    void compute_integers(const float* x, int rows, const float* residual, float* y, int threads) const;
    void multiply_floats(const float* x, int rows, std::size_t panel, std::size_t count, float* sums) const;
    void finish_strip(std::size_t first, std::size_t count, float* sums, std::size_t panel_sums, int rows, const float* residual,
                      float* y) const;

    LinearShape shape_;
    std::size_t panel_bytes_ = 0;
    std::size_t blocks_ = 0;
    IntegerProduct integer_product_ = nullptr;
    HalfProduct half_product_ = nullptr;
    const float* norm_weight_ = nullptr;
    const float* norm_shift_ = nullptr;
    const unsigned char* panels_ = nullptr;
    const Half* scales_ = nullptr;
    const Half* minima_ = nullptr;
    const float* bias_ = nullptr;
};

}  // namespace nnrun
