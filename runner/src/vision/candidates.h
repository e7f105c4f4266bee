#pragma once

#include <vector>

#include "vision/head_plan.h"
#include "vision/maps.h"
#include "vision/nms.h"

namespace nnrun {

// Adds each class of each place that is sure enough, without its box. Of a place only the best
// class counts, the lowest index of equal ones; FCOS tells each.
void find_candidates(const HeadPlan& head, const Maps& maps, std::vector<Candidate>& found);

}  // namespace nnrun
