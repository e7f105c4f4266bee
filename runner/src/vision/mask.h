#pragma once

#include <mat.h>

#include <vector>

#include "vision/objects.h"

namespace nnrun {

// The pixels of a picture whose numbers lie in a box, along one direction, and which prototypes
// are around each one's centre. Buffers stay from box to box.
class MaskSpan {
public:
    // Between a prototype and the next one, with the next one's share; the last one has no next.
    struct Sample {
        int first;
        float share;
    };
    // Samples between the same two prototypes, from `begin` up to `end`.
    struct Cell {
        int first;
        int begin;
        int end;
    };

    // [from, to) in a picture `length` pixels long, which `axis` places in an input of `input`
    // pixels, over which lie so many prototypes.
    void place(double from, double to, int length, const Axis& axis, int input, int prototypes);

    int begin() const { return begin_; }
    int end() const { return end_; }
    bool empty() const { return begin_ == end_; }
    const std::vector<Sample>& samples() const { return samples_; }
    const std::vector<Cell>& cells() const { return cells_; }

    // The prototypes around all of the samples.
    int first() const { return samples_.front().first; }
    int last() const { return next(samples_.back().first); }
    int count() const { return last() - first() + 1; }
    int next(int prototype) const { return prototype + 1 < prototypes_ ? prototype + 1 : prototype; }

private:
    void add(const Sample& sample);

    int begin_ = 0;
    int end_ = 0;
    int prototypes_ = 0;
    std::vector<Sample> samples_;
    std::vector<Cell> cells_;
};

// From mask coefficients and prototypes to masks in the picture's own pixels, as
// piyard/vision/tasks/segment.py says it: a pixel is the object's if its number lies in the box and the
// bilinear sample there of the prototypes' weighted sum is above 0.
//
// Only the prototypes under the box are summed. Between two of their rows a sample is linear, so
// it is computed only where the two have different signs. Buffers stay from mask to mask.
class MaskDecoder {
public:
    // Of the net's input.
    MaskDecoder(int rows, int columns) : rows_(rows), columns_(columns) {}

    // `prototypes` of shape (coefficients, rows, columns), 32 bits an element.
    void operator()(const ncnn::Mat& prototypes, const std::vector<float>& coefficients, const ImageTransform& transform, const Box& box,
                    Mask& mask);

private:
    void sum(const ncnn::Mat& prototypes, const std::vector<float>& coefficients);
    void sum_row(const ncnn::Mat& prototypes, const std::vector<float>& coefficients, int row);
    void blend(const MaskSpan::Sample& column);
    void trace(MaskPen& pen) const;

    int rows_;
    int columns_;
    MaskSpan across_;
    MaskSpan down_;
    std::vector<float> row_;     // of sums under the box
    std::vector<float> sums_;    // under the box, column after column
    std::vector<float> column_;  // of sums, at one column of the picture
};

}  // namespace nnrun
