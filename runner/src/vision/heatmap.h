#pragma once

#include <mat.h>

#include <vector>

#include "vision/objects.h"
#include "vision/placing.h"

namespace nnrun {

// One output (keypoints, rows, columns) of a net whose input has `input_rows` x `input_columns`: a
// keypoint is where its map is largest, moved by a quarter of a place towards the larger
// neighbour in each direction (Xiao, Wu and Wei 2018, "Simple Baselines for Human Pose Estimation
// and Tracking"); its score is that largest value.
void read_heatmaps(const ncnn::Mat& maps, int input_rows, int input_columns, const Placing& placing,
                   std::vector<Keypoint>& keypoints);

}  // namespace nnrun
