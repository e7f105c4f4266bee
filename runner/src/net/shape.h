#pragma once

#include <mat.h>

#include <string>
#include <vector>

namespace nnrun {

// Sizes as people write them, outermost first: C,H,W or H,W or W.
using Shape = std::vector<int>;

ncnn::Mat make_mat(const Shape& shape);
// Of a blob in any packing: four packed channels count as four.
Shape shape_of(const ncnn::Mat& blob);
// A Failure with Exit::input where the board has no memory for it: the kernel would grant it, and
// then end whoever uses it.
void check_memory(const Shape& shape);
std::size_t element_count(const Shape& shape);
std::string shown(const Shape& shape);

// The elements in c,h,w order; ncnn pads each channel, this does not.
std::vector<float> flat(const ncnn::Mat& blob);

}  // namespace nnrun
