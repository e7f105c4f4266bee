#include "vision/mask.h"

#include <algorithm>
#include <cmath>

namespace nnrun {
namespace {

// The first pixel whose number is not before `at`.
int first_pixel(double at, int length) { return static_cast<int>(std::clamp(std::ceil(at), 0.0, static_cast<double>(length))); }

bool whole(double at) { return at == std::floor(at); }

// The cell at or before a place between the first and the last one, and the next one's share.
MaskSpan::Sample sample(double at, int first, int last) {
    const double inside = std::clamp(at, static_cast<double>(first), static_cast<double>(last));
    const int before = static_cast<int>(inside);
    return {before, static_cast<float>(inside - before)};
}

}  // namespace

void MaskAxis::enlarge(MaskAxis& x, MaskAxis& y) {
    for (const int factor : {1, 2, 4}) {
        const bool across = x.cut(factor);
        if (y.cut(factor) && across) return;
    }
    x.cut(1);
    y.cut(1);
}

// Whether the picture's edges then lie between cells.
bool MaskAxis::cut(int by) {
    factor = by;
    const double from = std::max(0.0, axis.margin) * cells() / input;
    const double to = std::min(static_cast<double>(input), axis.margin + axis.scaled) * cells() / input;
    first = static_cast<int>(std::floor(from));
    end = static_cast<int>(std::ceil(to));
    return whole(from) && whole(to);
}

void MaskSpan::place(double from, double to, int length, const MaskAxis& axis) {
    prototypes_ = axis.prototypes;
    last_ = axis.end - 1;
    begin_ = first_pixel(from, length);
    end_ = std::max(begin_, first_pixel(to, length));
    samples_.clear();
    cells_.clear();
    for (int pixel = begin_; pixel < end_; ++pixel) {
        const double at = axis.axis.to_input(pixel + 0.5) * axis.cells() / axis.input - 0.5;
        add(sample(at, axis.first, last_));
    }
    place_sources(axis.factor);
}

void MaskSpan::place_sources(int factor) {
    sources_.clear();
    if (factor == 1 || empty()) return;
    for (int cell = first(); cell <= last(); ++cell) sources_.push_back(sample((cell + 0.5) / factor - 0.5, 0, prototypes_ - 1));
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
    place(prototypes, transform, box);
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

void MaskDecoder::place(const ncnn::Mat& prototypes, const ImageTransform& transform, const Box& box) {
    MaskAxis x;
    MaskAxis y;
    x.axis = transform.x;
    x.input = columns_;
    x.prototypes = prototypes.w;
    y.axis = transform.y;
    y.input = rows_;
    y.prototypes = prototypes.h;
    MaskAxis::enlarge(x, y);
    across_.place(box.x0, box.x1, transform.width, x);
    down_.place(box.y0, box.y1, transform.height, y);
}

// Columns are enlarged row by row, rows when all are there.
void MaskDecoder::sum(const ncnn::Mat& prototypes, const std::vector<float>& coefficients) {
    const auto rows = static_cast<std::size_t>(down_.count_sources());
    row_.resize(static_cast<std::size_t>(across_.count_sources()));
    sums_.resize(static_cast<std::size_t>(across_.count()) * rows);
    for (std::size_t row = 0; row < rows; ++row) {
        sum_row(prototypes, coefficients, down_.first_source() + static_cast<int>(row));
        scatter_row(row, rows);
    }
    if (!down_.sources().empty()) enlarge_rows(rows);
}

void MaskDecoder::scatter_row(std::size_t row, std::size_t rows) {
    const std::vector<MaskSpan::Sample>& sources = across_.sources();
    if (sources.empty()) {
        for (std::size_t column = 0; column < row_.size(); ++column) sums_[column * rows + row] = row_[column];
        return;
    }
    const auto at = [&](int prototype) { return row_[static_cast<std::size_t>(prototype - across_.first_source())]; };
    for (std::size_t column = 0; column < sources.size(); ++column) {
        const auto [first, share] = sources[column];
        sums_[column * rows + row] = at(first) * (1 - share) + at(across_.next_source(first)) * share;
    }
}

void MaskDecoder::enlarge_rows(std::size_t rows) {
    const std::vector<MaskSpan::Sample>& sources = down_.sources();
    const auto columns = static_cast<std::size_t>(across_.count());
    grid_.resize(columns * sources.size());
    float* to = grid_.data();
    for (std::size_t column = 0; column < columns; ++column) {
        const float* const from = &sums_[column * rows];
        const auto at = [&](int prototype) { return from[prototype - down_.first_source()]; };
        for (const auto& [first, share] : sources) *to++ = at(first) * (1 - share) + at(down_.next_source(first)) * share;
    }
}

void MaskDecoder::sum_row(const ncnn::Mat& prototypes, const std::vector<float>& coefficients, int row) {
    const auto at = [&](std::size_t channel) { return plane_row(prototypes, static_cast<int>(channel), row, across_.first_source()); };
    std::fill(row_.begin(), row_.end(), 0.0f);
    std::size_t k = 0;
    for (; k + 4 <= coefficients.size(); k += 4)
        add_four(row_.data(), {at(k), at(k + 1), at(k + 2), at(k + 3)}, &coefficients[k], row_.size());
    for (; k < coefficients.size(); ++k) add(row_.data(), at(k), coefficients[k], row_.size());
}

void MaskDecoder::blend(const MaskSpan::Sample& column) {
    const auto rows = static_cast<std::size_t>(down_.count());
    column_.resize(rows);
    const std::vector<float>& grid = down_.sources().empty() ? sums_ : grid_;
    const float* const left = &grid[static_cast<std::size_t>(column.first - across_.first()) * rows];
    const float* const right = &grid[static_cast<std::size_t>(across_.next(column.first) - across_.first()) * rows];
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
