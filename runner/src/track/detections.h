#pragma once

#include <map>
#include <string>
#include <vector>

#include "track/bytetrack.h"

namespace nnrun {

// The detections of a MOTChallenge file (det.txt: frame,id,left,top,width,height,score,...), by
// frame, in the file's order. A score above 1, as some detectors of MOT15 give it, is taken as
// 1; a box of less than a hundredth of a pixel in a side is left out. Any other line is a Failure with Exit::input.
std::map<int, std::vector<Detection>> read_detections(const std::string& path);

}  // namespace nnrun
