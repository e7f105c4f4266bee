#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace nnrun {

// What each level of a channel is to the net: (level - mean) * norm.
class Levels {
public:
    // `mean` and `norm` are in the order of the net's planes.
    Levels(bool bgr, const std::vector<float>& mean, const std::vector<float>& norm);

    // One plane's values of `count` pixels R, G, B.
    void put(const std::uint8_t* pixels, std::size_t count, int plane, float* to) const;
    float value(const std::array<std::uint8_t, 3>& pixel, int plane) const;

private:
    std::size_t channel(int plane) const { return static_cast<std::size_t>(bgr_ ? 2 - plane : plane); }

    bool bgr_;
    std::array<std::array<float, 256>, 3> values_{};  // plane by plane
};

}  // namespace nnrun
