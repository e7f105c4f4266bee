#include "levels.h"

namespace nnrun {
namespace {

// As level * norm - mean * norm: the desktop's reference computes it so, and both must agree
// to the last bit.
std::array<float, 256> normalised(float mean, float norm) {
    const float bias = -mean * norm;
    std::array<float, 256> values{};
    for (std::size_t level = 0; level < values.size(); ++level)
        values[level] = static_cast<float>(static_cast<double>(level) * static_cast<double>(norm) + static_cast<double>(bias));
    return values;
}

}  // namespace

Levels::Levels(bool bgr, const std::vector<float>& mean, const std::vector<float>& norm) : bgr_(bgr) {
    for (std::size_t plane = 0; plane < values_.size(); ++plane) values_[plane] = normalised(mean[plane], norm[plane]);
}

void Levels::put(const std::uint8_t* pixels, std::size_t count, int plane, float* to) const {
    const std::array<float, 256>& values = values_[static_cast<std::size_t>(plane)];
    const std::uint8_t* from = pixels + channel(plane);
    for (std::size_t i = 0; i < count; ++i) to[i] = values[from[3 * i]];
}

float Levels::value(const std::array<std::uint8_t, 3>& pixel, int plane) const {
    return values_[static_cast<std::size_t>(plane)][pixel[channel(plane)]];
}

}  // namespace nnrun
