#pragma once

#include "core/args.h"

namespace nnrun {

Verb pose_verb();
int pose(const Args& args);

}  // namespace nnrun
