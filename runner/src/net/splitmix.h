#pragma once

#include <mat.h>

#include <cstdint>

namespace nnrun {

struct Span {
    float low = -1;
    float high = 1;
};

// Fills a blob with values in [low, high) that any program can make again from the seed:
// splitmix64, one step an element in c,h,w order, value = (z >> 40) * 2^-24 * (high - low) + low.
void fill_splitmix(ncnn::Mat& blob, std::uint64_t seed, const Span& span = {});

}  // namespace nnrun
