#include "kernels/linear.h"

#include <algorithm>
#include <memory>
#include <type_traits>

#include "kernels/float_panels.h"
#include "kernels/pointwise.h"
#include "kernels/section.h"

namespace nnrun {
namespace {

// Rows that are multiplied together: their sums with a panel stay in the first cache.
constexpr int chunk_rows = 128;
// That a strip of panels has, at most.
constexpr std::size_t strip_sums = 2 * chunk_rows * panel_columns;

std::unique_ptr<float[]> uninitialised(std::size_t count) { return std::unique_ptr<float[]>(new float[count]); }

// Of a panel, for each row.
std::size_t sum_count(int rows) { return tiled_rows(rows) * panel_columns; }

std::size_t divided(std::size_t count, std::size_t by) { return (count + by - 1) / by; }

void store8(float* to, const F8& values) {
    store4(to, values.low);
    store4(to + 4, values.high);
}

void add(float* sums, int rows, const float* bias) {
    const F8 added = load8(bias);
    for (int row = 0; row < rows; ++row, sums += panel_columns) {
        const F8 both = load8(sums);
        store8(sums, {both.low + added.low, both.high + added.high});
    }
}

// To rows `stride` apart.
void copy_panel(const float* sums, int rows, std::size_t stride, float* y) {
    int row = 0;
    for (; row + 4 <= rows; row += 4)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i, sums += panel_columns, y += stride) store8(y, load8(sums));
    for (; row < rows; ++row, sums += panel_columns, y += stride) store8(y, load8(sums));
}

// The same, with what is to be added.
void copy_panel(const float* sums, int rows, const float* residual, std::size_t stride, float* y) {
    for (int row = 0; row < rows; ++row, sums += panel_columns, residual += stride, y += stride) {
        const F8 both = load8(sums), added = load8(residual);
        store8(y, {both.low + added.low, both.high + added.high});
    }
}

void integer_row(const IntegerPanels& panel, int column, int inputs, float* values) {
    signed char integers[128 * panel_columns];
    const int half = panel.minima != nullptr ? 1 << (panel.bits - 1) : 0;
    for (std::size_t block = 0; block < panel.blocks; ++block) {
        const std::size_t bytes = static_cast<std::size_t>(panel.block) * static_cast<std::size_t>(panel.bits);
        unpack_block(panel.bits, panel.block, panel.weights + block * bytes, integers);
        const std::size_t at = block * panel_columns + static_cast<std::size_t>(column);
        const float scale = to_float(panel.scales[at]), minimum = panel.minima != nullptr ? to_float(panel.minima[at]) : 0;
        const int first = static_cast<int>(block) * panel.block;
        for (int k = 0; k < std::min(panel.block, inputs - first); ++k) {
            const int integer = integers[(k / 4 * panel_columns + column) * 4 + k % 4];
            values[first + k] = static_cast<float>(integer + half) * scale + minimum;
        }
    }
}

}  // namespace

LinearQ::LinearQ() {
    one_blob_only = false;
    support_inplace = false;
}

int LinearQ::load_param(const ncnn::ParamDict& params) {
    shape_.outputs = params.get(0, 0);
    shape_.inputs = params.get(1, 0);
    shape_.bits = params.get(2, 32);
    shape_.block = params.get(3, 0);
    shape_.bias = params.get(4, 0);
    shape_.affine = params.get(5, 0);
    shape_.norm = static_cast<Norm>(params.get(6, 0));
    shape_.eps = params.get(7, 0.0f);
    shape_.gate = params.get(8, 0);
    shape_.activation = static_cast<Activation>(params.get(9, 0));
    return 0;
}

int LinearQ::load_model(const ncnn::ModelBin& weights) {
    Section section(weights, "layer " + name + " (LinearQ)");
    const auto inputs = static_cast<std::size_t>(shape_.inputs);
    if (shape_.norm != Norm::none) norm_weight_ = section.part<float>(inputs);
    if (shape_.norm == Norm::layer) norm_shift_ = section.part<float>(inputs);
    panels_ = section.part<unsigned char>(shape_.panels() * shape_.panel_bytes());
    if (shape_.quantised()) scales_ = section.part<Half>(shape_.scale_count());
    integer_product_ = integer_product();
    half_product_ = half_product();
    panel_bytes_ = shape_.panel_bytes();
    blocks_ = shape_.blocks();
    if (shape_.affine != 0) minima_ = section.part<Half>(shape_.scale_count());
    if (shape_.bias != 0) bias_ = section.part<float>(static_cast<std::size_t>(shape_.rows()));
    return 0;
}

std::size_t LinearQ::weight_bytes() const {
    const std::size_t scales = shape_.scale_count() * sizeof(Half) * (shape_.affine != 0 ? 2 : 1);
    return shape_.panels() * shape_.panel_bytes() + (shape_.quantised() ? scales : 0);
}

int LinearQ::forward(const std::vector<ncnn::Mat>& bottoms, std::vector<ncnn::Mat>& tops, const ncnn::Option& option) const {
    const ncnn::Mat& x = bottoms[0];
    if (x.dims > 2 || x.w != shape_.inputs) return -1;
    if (bottoms.size() > 1 && (bottoms[1].w != shape_.outputs || bottoms[1].h != x.h)) return -1;
    if (x.dims == 1)
        tops[0].create(shape_.outputs, x.elemsize, option.blob_allocator);
    else
        tops[0].create(shape_.outputs, x.h, x.elemsize, option.blob_allocator);
    if (tops[0].empty()) return -100;
    const float* residual = bottoms.size() > 1 ? static_cast<const float*>(bottoms[1].data) : nullptr;
    compute(x, x.h, residual, tops[0], option.num_threads);
    return 0;
}

void LinearQ::compute(const float* x, int rows, const float* residual, float* y, int threads) const {
    const auto inputs = static_cast<std::size_t>(shape_.inputs), outputs = static_cast<std::size_t>(shape_.outputs);
    for (int first = 0; first < rows; first += chunk_rows) {
        const auto before = static_cast<std::size_t>(first);
        const float* added = residual != nullptr ? residual + before * outputs : nullptr;
        compute_chunk(x + before * inputs, std::min(chunk_rows, rows - first), added, y + before * outputs, threads);
    }
}

void LinearQ::compute_chunk(const float* x, int rows, const float* residual, float* y, int threads) const {
    const auto inputs = static_cast<std::size_t>(shape_.inputs);
    std::unique_ptr<float[]> normalised;
    if (shape_.norm != Norm::none) {
        normalised = uninitialised(static_cast<std::size_t>(rows) * inputs);
        for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
            normalise(shape_.norm, shape_.eps, x + row * inputs, shape_.inputs, norm_weight_, norm_shift_, normalised.get() + row * inputs);
        x = normalised.get();
    }
    if (shape_.quantised()) return compute_integers(x, rows, residual, y, threads);
    if (shape_.bits == 16 && half_product_ != nullptr) return compute_halves(x, rows, residual, y, threads);
    compute_floats(x, rows, residual, y, threads);
}

void LinearQ::compute_integers(const float* x, int rows, const float* residual, float* y, int threads) const {
    const QuantisedRows integers(x, rows, shape_.inputs, shape_.block, threads);
    const std::size_t panel_sums = sum_count(rows);
    const auto product = [&](std::size_t first, std::size_t count, float* sums, signed char* unpacked) {
        if (rows <= tile_rows) return integer_product_(integer_panels(first, count), integers, sums, unpacked);
        for (std::size_t i = 0; i < count; ++i) integer_product_(integer_panels(first + i, 1), integers, sums + i * panel_sums, unpacked);
    };
    compute_panels(product, rows, residual, y, threads);
}

void LinearQ::compute_halves(const float* x, int rows, const float* residual, float* y, int threads) const {
    const HalvedRows halves(x, rows, shape_.inputs, threads);
    const std::size_t panel_sums = sum_count(rows);
    const auto product = [&](std::size_t first, std::size_t count, float* sums, signed char*) {
        const std::size_t together = rows <= tile_rows ? count : 1;
        for (std::size_t i = 0; i < count; i += together) {
            const auto* weights = reinterpret_cast<const Half*>(panels_ + (first + i) * panel_bytes_);
            half_product_(weights, together, shape_.inputs, halves, sums + i * panel_sums);
        }
    };
    compute_panels(product, rows, residual, y, threads);
}

void LinearQ::compute_floats(const float* x, int rows, const float* residual, float* y, int threads) const {
    const std::size_t panel_sums = sum_count(rows);
    const auto product = [&](std::size_t first, std::size_t count, float* sums, signed char*) {
        const std::size_t together = rows == 1 ? count : 1;
        for (std::size_t i = 0; i < count; i += together) multiply_floats(x, rows, first + i, together, sums + i * panel_sums);
    };
    compute_panels(product, rows, residual, y, threads);
}

// Few rows take many panels at once, as many in each thread; both halves of a gate are in one strip.
std::size_t LinearQ::strip_panels(int rows, int threads) const {
    const std::size_t step = shape_.gate != 0 ? 2 : 1, pairs = shape_.panels() / step;
    if (rows > tile_rows) return step;
    const auto shares = static_cast<std::size_t>(threads);
    const std::size_t rounds = divided(divided(pairs, shares), strip_sums / sum_count(rows) / step);
    return divided(pairs, rounds * shares) * step;
}

// Whether the sums of one row are what the layer gives, column by column.
bool LinearQ::is_plain(std::size_t first, std::size_t count) const {
    const bool whole = (first + count) * panel_columns <= static_cast<std::size_t>(shape_.outputs);
    return whole && bias_ == nullptr && shape_.gate == 0 && shape_.activation == Activation::none;
}

void LinearQ::compute_panels(const Product& product, int rows, const float* residual, float* y, int threads) const {
    const std::size_t strip = strip_panels(rows, threads), panels = shape_.panels(), panel_sums = sum_count(rows);
    const auto strips = static_cast<std::ptrdiff_t>(divided(panels, strip));
#pragma omp parallel num_threads(threads)
    {
        const std::unique_ptr<signed char[]> unpacked(new signed char[shape_.depth() * panel_columns]);
#pragma omp for schedule(static)
        for (std::ptrdiff_t i = 0; i < strips; ++i) {
            float sums[strip_sums];
            const std::size_t first = static_cast<std::size_t>(i) * strip, count = std::min(strip, panels - first);
            if (rows == 1 && residual == nullptr && is_plain(first, count)) {
                product(first, count, y + first * panel_columns, unpacked.get());
                continue;
            }
            product(first, count, sums, unpacked.get());
            finish_strip(first, count, sums, panel_sums, rows, residual, y);
        }
    }
}

void LinearQ::finish_strip(std::size_t first, std::size_t count, float* sums, std::size_t panel_sums, int rows, const float* residual,
                           float* y) const {
    const std::size_t step = shape_.gate != 0 ? 2 : 1;
    for (std::size_t i = 0; i < count; i += step, sums += step * panel_sums)
        finish((first + i) / step, sums, sums + panel_sums, rows, residual, y);
}

IntegerPanels LinearQ::integer_panels(std::size_t first, std::size_t count) const {
    const std::size_t scales = first * blocks_ * panel_columns;
    const Half* const minima = minima_ != nullptr ? minima_ + scales : nullptr;
    return {count, shape_.bits, shape_.block, blocks_, panels_ + first * panel_bytes_, scales_ + scales, minima};
}

void LinearQ::multiply_floats(const float* x, int rows, std::size_t panel, std::size_t count, float* sums) const {
    const unsigned char* weights = panels_ + panel * panel_bytes_;
    const auto inputs = static_cast<std::size_t>(shape_.inputs);
    const auto product = [&](const auto* values) {
        const FloatPanels<std::decay_t<decltype(*values)>> panels{values, count, inputs * panel_columns, panel_columns, shape_.inputs};
        for (int row = 0; row < rows; row += tile_rows)
            multiply_panels(x + static_cast<std::size_t>(row) * inputs, inputs, std::min(tile_rows, rows - row), panels,
                            sums + row * panel_columns, panel_columns);
    };
    if (shape_.bits == 16) return product(reinterpret_cast<const Half*>(weights));
    product(reinterpret_cast<const float*>(weights));
}

void LinearQ::finish(std::size_t panel, float* sums, float* ups, int rows, const float* residual, float* y) const {
    const auto outputs = static_cast<std::size_t>(shape_.outputs), first = panel * panel_columns;
    if (outputs - first < panel_columns) return finish_part(first, sums, ups, rows, residual, y);
    if (bias_ != nullptr) add(sums, rows, bias_ + first);
    if (bias_ != nullptr && shape_.gate != 0) add(ups, rows, bias_ + outputs + first);
    if (shape_.gate != 0) apply_gate(sums, ups, rows * panel_columns);
    activate(shape_.activation, sums, rows * panel_columns);
    if (residual != nullptr) return copy_panel(sums, rows, residual + first, outputs, y + first);
    copy_panel(sums, rows, outputs, y + first);
}

// Of the last panel those columns that there are.
void LinearQ::finish_part(std::size_t first, float* sums, const float* ups, int rows, const float* residual, float* y) const {
    const std::size_t outputs = static_cast<std::size_t>(shape_.outputs), columns = outputs - first;
    for (int row = 0; row < rows; ++row, sums += panel_columns, ups += panel_columns) {
        float gated[panel_columns];
        for (std::size_t i = 0; i < columns && bias_ != nullptr; ++i) sums[i] += bias_[first + i];
        if (shape_.gate != 0) {
            for (std::size_t i = 0; i < columns; ++i) gated[i] = ups[i] + (bias_ != nullptr ? bias_[outputs + first + i] : 0);
            apply_gate(sums, gated, static_cast<int>(columns));
        }
        activate(shape_.activation, sums, static_cast<int>(columns));
        const std::size_t at = static_cast<std::size_t>(row) * outputs + first;
        for (std::size_t i = 0; i < columns; ++i) y[at + i] = sums[i] + (residual != nullptr ? residual[at + i] : 0);
    }
}

void LinearQ::row(int index, float* values) const {
    const auto at = static_cast<std::size_t>(index);
    // With a gate the rows of both halves alternate by the panel.
    const std::size_t outputs = static_cast<std::size_t>(shape_.outputs), place = at % outputs;
    const std::size_t panel = shape_.gate != 0 ? place / panel_columns * 2 + at / outputs : place / panel_columns;
    const auto column = static_cast<int>(place % panel_columns);
    if (shape_.quantised()) return integer_row(integer_panels(panel, 1), column, shape_.inputs, values);
    const unsigned char* weights = panels_ + panel * panel_bytes_;
    for (int k = 0; k < shape_.inputs; ++k) {
        const int from = k * panel_columns + column;
        values[k] =
            shape_.bits == 16 ? to_float(reinterpret_cast<const Half*>(weights)[from]) : reinterpret_cast<const float*>(weights)[from];
    }
}

}  // namespace nnrun
