#pragma once

#include <mat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/image.h"
#include "vision/objects.h"
#include "vision/preprocess.h"
#include "vision/resample.h"

namespace nnrun {

// Normalises levels of pixels: (level - mean) * norm.
class Normalizer {
public:
    // `mean` and `norm` are in the order of the net's planes, which `order` names.
    Normalizer(const std::string& order, const std::vector<float>& mean, const std::vector<float>& norm);

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

    void put_colours(const std::uint8_t* pixels, std::size_t count, ncnn::Mat& input, int y, int x) const;
    void look_up(const std::uint8_t* pixels, std::size_t begin, std::size_t end, std::size_t plane, float* to) const;
    std::size_t multiply(const std::uint8_t* pixels, std::size_t count, const std::array<float*, 3>& planes) const;
    // Which channel of a pixel is that plane's, and the other way round; not for gray and alpha.
    std::size_t channel(std::size_t plane) const { return bgr_ ? 2 - plane : plane; }
    bool gray() const { return planes_.size() == 1; }

    bool bgr_;
    std::vector<Plane> planes_;
};

// From pictures to the net's input, whose memory is the same for each of them.
class Feed {
public:
    explicit Feed(const Preprocess& steps);

    // The input until the next call; for fit box the object is the whole picture. What does not
    // suit the net is a Failure with Exit::input.
    const ncnn::Mat& operator()(const Image& image);
    // Fit box: the surroundings of one object.
    const ncnn::Mat& operator()(const Image& image, const Corners& object);

    // Of the last picture.
    const ImageTransform& transform() const { return transform_; }

private:
    void crop(const Image& image);
    void letterbox(const Image& image);
    void stretch(const Image& image);
    void around(const Image& image, const Corners& object);

    void make_input(int height, int width);
    // The whole picture on `height` rows and `width` columns of the input from there on.
    void put_whole(const Image& image, int top, int left, int height, int width);
    // Pixels R, G, B on row y of the input, from column `left` on.
    void put_row(const std::uint8_t* pixels, int y, int left, int width);
    void pad(int top, int bottom, int left, int right);

    Preprocess steps_;
    Normalizer normalizer_;
    RegionSampler sampler_;
    ncnn::Mat input_;
    ImageTransform transform_;
};

}  // namespace nnrun
