#pragma once

#include "core/args.h"

namespace nnrun {

Verb detect_verb();
int detect(const Args& args);

}  // namespace nnrun
