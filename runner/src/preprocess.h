#pragma once

#include <mat.h>

#include <string>
#include <vector>

#include "args.h"
#include "image.h"
#include "json.h"

namespace nnrun {

// From a picture to the net's input, step by step as torchvision does it.
struct Preprocess {
    int shorter_side = 0;        // 0: no resize
    std::vector<int> crop;       // {height, width}, or empty: no crop
    std::string resample = "bilinear";
    bool bgr = false;
    std::vector<float> mean{0, 0, 0};
    std::vector<float> norm{1, 1, 1};

    ncnn::Mat operator()(const Image& image) const;
    // Of the net's input, where it is the same for every picture; else empty.
    std::vector<int> shape() const { return crop.empty() ? crop : std::vector<int>{3, crop[0], crop[1]}; }
    json::Object json() const;
};

std::vector<Flag> preprocess_flags();
Preprocess read_preprocess(const Args& args);

}  // namespace nnrun
