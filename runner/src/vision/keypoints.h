#pragma once

#include "vision/maps.h"
#include "vision/objects.h"
#include "vision/placing.h"

namespace nnrun {

// Of an object that a dense head told (YOLOv8's and YOLO11's): three channels a keypoint, x, y and
// a score. x = (2 x value + column) x stride, y alike with the row, then back to the picture.
void read_keypoints(const Maps& maps, const Placing& placing, Object& object);

}  // namespace nnrun
