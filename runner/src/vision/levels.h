#pragma once

#include <mat.h>

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

    // The values of `count` pixels R, G, B go to row y of the input's planes, from column x on.
    void put(const std::uint8_t* pixels, int count, ncnn::Mat& input, int y, int x) const;
    float value(const std::array<std::uint8_t, 3>& pixel, std::size_t plane) const;

private:
    struct Plane {
        std::array<float, 256> values;
        float norm;
        float bias;
        bool fused;  // values[i] is fma(i, norm, bias), for every i
    };

    void look_up(const std::uint8_t* pixels, std::size_t begin, std::size_t end, std::size_t plane, float* to) const;
    std::size_t multiply(const std::uint8_t* pixels, std::size_t count, const std::array<float*, 3>& planes) const;
    // Which channel of a pixel is that plane's, and the other way round.
    std::size_t channel(std::size_t plane) const { return bgr_ ? 2 - plane : plane; }

    bool bgr_;
    std::array<Plane, 3> planes_;
};

}  // namespace nnrun
