#pragma once

#include <vector>

#include "vision/detector.h"
#include "vision/mask.h"

namespace nnrun {

// From a picture to the objects in it, each with its mask.
class Segmenter {
public:
    Segmenter(const Model& model, const HeadPlan& head, const Preprocess& steps);

    // As the Detector's.
    std::vector<Object>& operator()(const Image& image, Stages& ms);

    json::Object describe() const { return detect_.describe(); }

private:
    void read_coefficients(int place);

    Detector detect_;
    MaskDecoder decode_;
    std::vector<float> coefficients_;
};

}  // namespace nnrun
