#pragma once

#include "core/args.h"

namespace nnrun {

Verb classify_verb();
int classify(const Args& args);

}  // namespace nnrun
