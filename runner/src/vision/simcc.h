#pragma once

#include <mat.h>

#include <vector>

#include "vision/objects.h"
#include "vision/placing.h"

namespace nnrun {

// RTMPose's two outputs (keypoints, bins), for x and for y with `split` bins a pixel of the input:
// a keypoint is where each is largest, and its score is the smaller one of the two largest values.
void read_simcc(const ncnn::Mat& x, const ncnn::Mat& y, double split, const Placing& placing, std::vector<Keypoint>& keypoints);

}  // namespace nnrun
