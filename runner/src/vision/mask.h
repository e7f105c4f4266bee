#pragma once

#include <mat.h>

#include <vector>

#include "vision/mask_span.h"
#include "vision/objects.h"
#include "vision/placing.h"
#include "vision/rle.h"

namespace nnrun {

// From mask coefficients and prototypes to masks in the picture's own pixels, as
// piyard/heads/masks.py says it: a pixel is the object's if its centre lies in the box and the
// bilinear sample there of the prototypes' weighted sum is above 0.
//
// Only the prototypes under the box are summed. Between two of their rows a sample is linear, so
// it is computed only where the two have different signs. Buffers stay from mask to mask.
class MaskDecoder {
public:
    // Of the net's input.
    MaskDecoder(int rows, int columns) : rows_(rows), columns_(columns) {}

    // `prototypes` of shape (coefficients, rows, columns), 32 bits an element.
    void operator()(const ncnn::Mat& prototypes, const std::vector<float>& coefficients, const Placing& placing, const Box& box,
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
