#include "vision/mask.h"

#include <algorithm>
#include <cmath>

namespace nnrun {
namespace {

// The first pixel whose number is not before `at`.
int first_pixel(double at, int length) { return static_cast<int>(std::clamp(std::ceil(at), 0.0, static_cast<double>(length))); }

}  // namespace

void MaskSpan::place(double from, double to, int length, const Axis& axis, int input, int prototypes) {
    prototypes_ = prototypes;
    begin_ = first_pixel(from, length);
    end_ = std::max(begin_, first_pixel(to, length));
    samples_.clear();
    cells_.clear();
    for (int pixel = begin_; pixel < end_; ++pixel) {
        const double at = axis.to_input(pixel + 0.5) * prototypes / input - 0.5;
        const double inside = std::clamp(at, 0.0, static_cast<double>(prototypes - 1));
        const int before = static_cast<int>(inside);
        add({before, static_cast<float>(inside - before)});
    }
}

void MaskSpan::add(const Sample& sample) {
    const int at = static_cast<int>(samples_.size());
    if (cells_.empty() || cells_.back().first != sample.first) cells_.push_back({sample.first, at, at});
    cells_.back().end = at + 1;
    samples_.push_back(sample);
}

namespace {

const float* plane_row(const ncnn::Mat& blob, int channel, int row, int column) {
    return static_cast<const float*>(blob.data) + static_cast<std::size_t>(channel) * blob.cstep +
           static_cast<std::size_t>(row) * static_cast<std::size_t>(blob.w) + column;
}

void add(float* __restrict to, const float* __restrict from, float by, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) to[i] += from[i] * by;
}

void add_four(float* __restrict to, const float* const (&from)[4], const float* by, std::size_t count) {
    const float* __restrict a = from[0];
    const float* __restrict b = from[1];
    const float* __restrict c = from[2];
    const float* __restrict d = from[3];
    for (std::size_t i = 0; i < count; ++i) to[i] += (a[i] * by[0] + b[i] * by[1]) + (c[i] * by[2] + d[i] * by[3]);
}

}  // namespace

void MaskDecoder::operator()(const ncnn::Mat& prototypes, const std::vector<float>& coefficients, const ImageTransform& transform,
                             const Box& box, Mask& mask) {
    const auto height = static_cast<std::size_t>(transform.height);
    across_.place(box.x0, box.x1, transform.width, transform.x, columns_, prototypes.w);
    down_.place(box.y0, box.y1, transform.height, transform.y, rows_, prototypes.h);
    mask.width = transform.width;
    mask.height = transform.height;
    MaskPen pen(mask);
    pen.put(false, static_cast<std::size_t>(across_.begin()) * height);
    if (!across_.empty() && !down_.empty()) sum(prototypes, coefficients);
    for (const MaskSpan::Sample& column : across_.samples()) {
        pen.put(false, static_cast<std::size_t>(down_.begin()));
        if (!down_.empty()) {
            blend(column);
            trace(pen);
        }
        pen.put(false, static_cast<std::size_t>(transform.height - down_.end()));
    }
    pen.put(false, static_cast<std::size_t>(transform.width - across_.end()) * height);
}

void MaskDecoder::sum(const ncnn::Mat& prototypes, const std::vector<float>& coefficients) {
    const auto rows = static_cast<std::size_t>(down_.count());
    row_.resize(static_cast<std::size_t>(across_.count()));
    sums_.resize(row_.size() * rows);
    for (std::size_t row = 0; row < rows; ++row) {
        sum_row(prototypes, coefficients, down_.first() + static_cast<int>(row));
        for (std::size_t column = 0; column < row_.size(); ++column) sums_[column * rows + row] = row_[column];
    }
}

void MaskDecoder::sum_row(const ncnn::Mat& prototypes, const std::vector<float>& coefficients, int row) {
    const auto at = [&](std::size_t channel) { return plane_row(prototypes, static_cast<int>(channel), row, across_.first()); };
    std::fill(row_.begin(), row_.end(), 0.0f);
    std::size_t k = 0;
    for (; k + 4 <= coefficients.size(); k += 4)
        add_four(row_.data(), {at(k), at(k + 1), at(k + 2), at(k + 3)}, &coefficients[k], row_.size());
    for (; k < coefficients.size(); ++k) add(row_.data(), at(k), coefficients[k], row_.size());
}

void MaskDecoder::blend(const MaskSpan::Sample& column) {
    const auto rows = static_cast<std::size_t>(down_.count());
    column_.resize(rows);
    const float* const left = &sums_[static_cast<std::size_t>(column.first - across_.first()) * rows];
    const float* const right = &sums_[static_cast<std::size_t>(across_.next(column.first) - across_.first()) * rows];
    for (std::size_t row = 0; row < rows; ++row) column_[row] = left[row] * (1 - column.share) + right[row] * column.share;
}

void MaskDecoder::trace(MaskPen& pen) const {
    for (const MaskSpan::Cell& cell : down_.cells()) {
        const float upper = column_[static_cast<std::size_t>(cell.first - down_.first())];
        const float lower = column_[static_cast<std::size_t>(down_.next(cell.first) - down_.first())];
        if ((upper > 0) == (lower > 0)) {
            pen.put(upper > 0, static_cast<std::size_t>(cell.end - cell.begin));
            continue;
        }
        for (int at = cell.begin; at < cell.end; ++at) {
            const float share = down_.samples()[static_cast<std::size_t>(at)].share;
            pen.put(upper * (1 - share) + lower * share > 0, 1);
        }
    }
}

}  // namespace nnrun
