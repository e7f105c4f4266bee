#pragma once

#include <string>

#include "io/image.h"

namespace nnrun {

// "bilinear", "bicubic" or "nearest", the same to the last bit as the Image.resize() of Pillow 13:
// the filter widens when it shrinks, weights are fixed-point, and the picture between the
// horizontal and the vertical pass is 8 bits deep.
Image resize(const Image& image, int width, int height, const std::string& resample);

}  // namespace nnrun
