#pragma once

#include "core/args.h"

namespace nnrun {

Verb segment_verb();
int segment(const Args& args);

}  // namespace nnrun
