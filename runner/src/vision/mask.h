#pragma once

#include <mat.h>

#include <algorithm>
#include <vector>

#include "vision/objects.h"

namespace nnrun {

// Prototypes over the net's input along one direction, enlarged `factor` times into cells, of which
// the picture covers those from `first` up to `end`.
struct MaskAxis {
    // Enlarges both so little as leaves no cell that an edge of the picture cuts.
    static void enlarge(MaskAxis& x, MaskAxis& y);

    Axis axis;
    int input = 0;  // pixels
    int prototypes = 0;
    int factor = 1;
    int first = 0;
    int end = 0;

    int cells() const { return prototypes * factor; }

private:
    bool cut(int by);
};

// The pixels of a picture whose numbers lie in a box, along one direction, and which cells are
// around each one's centre. Buffers stay from box to box.
class MaskSpan {
public:
    // Between a cell and the next one, with the next one's share; the last one has no next.
    struct Sample {
        int first;
        float share;
    };
    // Samples between the same two cells of the grid, from `begin` up to `end`.
    struct Cell {
        int first;
        int begin;
        int end;
    };

    // [from, to) in a picture `length` pixels long.
    void place(double from, double to, int length, const MaskAxis& axis);

    int begin() const { return begin_; }
    int end() const { return end_; }
    bool empty() const { return begin_ == end_; }
    const std::vector<Sample>& samples() const { return samples_; }
    const std::vector<Cell>& cells() const { return cells_; }

    // The cells of the grid around all of the samples.
    int first() const { return samples_.front().first; }
    int last() const { return next(samples_.back().first); }
    int count() const { return last() - first() + 1; }
    int next(int cell) const { return std::min(cell + 1, last_); }

    // Where those cells lie among the prototypes; none where a cell is a prototype.
    const std::vector<Sample>& sources() const { return sources_; }
    int first_source() const { return sources_.empty() ? first() : sources_.front().first; }
    int last_source() const { return sources_.empty() ? last() : next_source(sources_.back().first); }
    int count_sources() const { return last_source() - first_source() + 1; }
    int next_source(int prototype) const { return std::min(prototype + 1, prototypes_ - 1); }

private:
    void add(const Sample& sample);
    void place_sources(int factor);

    int begin_ = 0;
    int end_ = 0;
    int last_ = 0;
    int prototypes_ = 0;
    std::vector<Sample> samples_;
    std::vector<Cell> cells_;
    std::vector<Sample> sources_;
};

// From mask coefficients and prototypes to masks in the picture's own pixels, as
// piyard/vision/tasks/segment.py says it: a pixel is the object's if its number lies in the box and the
// bilinear sample there of the grid is above 0, which is the prototypes' weighted sum, enlarged.
//
// Only what lies under the box is summed and enlarged. Between two rows of the grid a sample is
// linear, so it is computed only where the two have different signs. Buffers stay from mask to mask.
class MaskDecoder {
public:
    // Of the net's input.
    MaskDecoder(int rows, int columns) : rows_(rows), columns_(columns) {}

    // `prototypes` of shape (coefficients, rows, columns), 32 bits an element.
    void operator()(const ncnn::Mat& prototypes, const std::vector<float>& coefficients, const ImageTransform& transform, const Box& box,
                    Mask& mask);

private:
    void place(const ncnn::Mat& prototypes, const ImageTransform& transform, const Box& box);
    void sum(const ncnn::Mat& prototypes, const std::vector<float>& coefficients);
    void scatter_row(std::size_t row, std::size_t rows);
    void enlarge_rows(std::size_t rows);
    void sum_row(const ncnn::Mat& prototypes, const std::vector<float>& coefficients, int row);
    void blend(const MaskSpan::Sample& column);
    void trace(MaskPen& pen) const;

    int rows_;
    int columns_;
    MaskSpan across_;
    MaskSpan down_;
    std::vector<float> row_;     // of sums under the box
    std::vector<float> sums_;    // of rows of prototypes under the box, a column of the grid after the other
    std::vector<float> grid_;    // the same with its rows enlarged too; unused where a cell is a prototype
    std::vector<float> column_;  // of sums, at one column of the picture
};

}  // namespace nnrun
