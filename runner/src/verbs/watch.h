#pragma once

#include "core/args.h"

namespace nnrun {

Verb watch_verb();
int watch(const Args& args);

}  // namespace nnrun
