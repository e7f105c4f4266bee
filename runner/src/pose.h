#pragma once

#include "args.h"

namespace nnrun {

Verb pose_verb();
int pose(const Args& args);

}  // namespace nnrun
