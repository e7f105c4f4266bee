#pragma once

#include <vector>

#include "vision/detector.h"

namespace nnrun {

// People and their keypoints by one net (YOLOv8 and YOLO11 pose).
class PoseDetector {
public:
    PoseDetector(const Model& model, const HeadPlan& head, const Preprocess& steps) : detect_(model, head, steps) {}

    // As the Detector's.
    std::vector<Object>& operator()(const Image& image, Stages& ms);

    json::Object describe() const { return detect_.describe(); }

private:
    Detector detect_;
};

}  // namespace nnrun
