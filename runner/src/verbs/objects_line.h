#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "io/inputs.h"
#include "vision/objects.h"

namespace nnrun {

json::Object ms_json(const Stages& ms);

// The line of a frame: {"type":"objects","image" or "frame","width","height","objects":[...],"ms"}.
std::string objects_line(const Frame& frame, const std::vector<Object>& objects, const std::vector<std::string>& labels,
                         const Stages& ms);

}  // namespace nnrun
