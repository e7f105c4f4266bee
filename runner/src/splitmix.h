#pragma once

#include <mat.h>

#include <cstdint>

namespace nnrun {

// Fills a blob with values in [-1, 1) that any program can make again from the seed:
// splitmix64, one step an element in c,h,w order, value = (z >> 40) * 2^-24 * 2 - 1.
void fill_splitmix(ncnn::Mat& blob, std::uint64_t seed);

}  // namespace nnrun
