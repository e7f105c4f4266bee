#pragma once

#include "head_plan.h"
#include "maps.h"
#include "placing.h"

namespace nnrun {

// The box that a place tells, in pixels of the net's input; not clipped.
Corners box_at(const HeadPlan& head, const Maps& maps, const Place& place);

}  // namespace nnrun
