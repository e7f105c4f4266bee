#pragma once

#include "vision/head_plan.h"
#include "vision/maps.h"
#include "vision/placing.h"

namespace nnrun {

// The box that a place tells, in pixels of the net's input; not clipped.
Corners box_at(const HeadPlan& head, const Maps& maps, const Place& place);

}  // namespace nnrun
