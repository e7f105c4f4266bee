#pragma once

#include <mat.h>

#include "io/image.h"
#include "vision/levels.h"
#include "vision/objects.h"
#include "vision/placing.h"
#include "vision/preprocess.h"
#include "vision/window.h"

namespace nnrun {

// From pictures to the net's input, whose memory is the same for each of them.
class Feed {
public:
    explicit Feed(const Preprocess& how);

    // The input until the next call; for fit box the object is the whole picture. What does not
    // suit the net is a Failure with Exit::input.
    const ncnn::Mat& operator()(const Image& image);
    // Fit box: what is around one object.
    const ncnn::Mat& operator()(const Image& image, const Corners& object);

    // Of the last picture.
    const Placing& placing() const { return placing_; }

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

    Preprocess how_;
    Levels levels_;
    Window window_;
    ncnn::Mat input_;
    Placing placing_;
};

}  // namespace nnrun
