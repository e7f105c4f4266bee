#pragma once

#include <vector>

#include "vision/draw_canvas.h"
#include "vision/objects.h"

namespace nnrun {

// The keypoints that are sure enough, as dots; COCO's 17 also as limbs: those of the left side
// warm, those of the right side cold.
void draw_skeleton(Canvas& canvas, const std::vector<Keypoint>& keypoints, double thickness);

}  // namespace nnrun
