#pragma once

#include "core/args.h"

namespace nnrun {

Verb compute_verb();
int compute(const Args& args);

}  // namespace nnrun
