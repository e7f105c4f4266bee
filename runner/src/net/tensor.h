#pragma once

#include <mat.h>

#include <cstdint>
#include <string>
#include <vector>

namespace nnrun {

// Sizes as they are written, outermost first: C,H,W or H,W or W.
using Shape = std::vector<int>;

ncnn::Mat make_mat(const Shape& shape);
// Of a blob in any packing: four packed channels count as four.
Shape shape_of(const ncnn::Mat& blob);
// A Failure with Exit::input where the board has no memory for it: the kernel would grant it, and
// then kill the process that uses it.
void check_memory(const Shape& shape);
std::size_t element_count(const Shape& shape);
std::string format_shape(const Shape& shape);

// The elements in c,h,w order; ncnn pads each channel, this does not.
std::vector<float> flat(const ncnn::Mat& blob);

struct Span {
    float low = -1;
    float high = 1;
};

// Fills a blob with values in [low, high) that any program can make again from the seed:
// splitmix64, one step an element in c,h,w order, value = (z >> 40) * 2^-24 * (high - low) + low.
void fill_splitmix(ncnn::Mat& blob, std::uint64_t seed, const Span& span = {});

// Inputs of these shapes, the first one from that seed, each further one from the next. One that does not fit
// into the memory is a Failure with Exit::input.
std::vector<ncnn::Mat> made_up(const std::vector<Shape>& shapes, std::uint64_t seed, const Span& span);

bool all_finite(const ncnn::Mat& blob);
bool all_finite(const std::vector<float>& values);

// A tensor of one to three axes from a .npy file (NumPy's format 1.0 to 3.0) of little-endian
// floats in C order. Anything else is a Failure with Exit::input.
ncnn::Mat read_npy(const std::string& path);

}  // namespace nnrun
