#pragma once

#include <mat.h>

#include <cstdint>
#include <string>
#include <vector>

namespace nnrun {

// A shape is written the way Python writes it: C,H,W or H,W or W.
using Shape = std::vector<int>;

std::string shape_text(const Shape& shape);
Shape shape_of(const ncnn::Mat& mat);
std::size_t element_count(const Shape& shape);
ncnn::Mat make_mat(const Shape& shape);

// Elements in the order of the shape, without the padding that ncnn keeps between channels.
std::vector<float> flatten(const ncnn::Mat& mat);

// Element i is float(z_i >> 40) * 2^-24 * 2 - 1, where z_i is the i-th word of the
// splitmix64 stream of the seed: the same values in any language, bit for bit.
ncnn::Mat splitmix_mat(const Shape& shape, std::uint64_t seed);

bool all_finite(const std::vector<float>& values);

// Writes FOLDER/PREFIX<blob>.f32 when a folder is given, and reports one output line.
std::string describe_output(const std::string& blob, const ncnn::Mat& mat, const std::string& folder,
                            const std::string& prefix);

}  // namespace nnrun
