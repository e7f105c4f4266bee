#include "net/splitmix.h"

namespace nnrun {
namespace {

std::uint64_t next(std::uint64_t& state) {
    state += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

}  // namespace

void fill_splitmix(ncnn::Mat& blob, std::uint64_t seed, const Span& span) {
    const float width = span.high - span.low;
    std::uint64_t state = seed;
    const auto plane = static_cast<std::size_t>(blob.w) * static_cast<std::size_t>(blob.h) * static_cast<std::size_t>(blob.d);
    for (int c = 0; c < blob.c; ++c) {
        float* to = blob.channel(c);
        for (std::size_t i = 0; i < plane; ++i) to[i] = static_cast<float>(next(state) >> 40) * 0x1p-24f * width + span.low;
    }
}

}  // namespace nnrun
