#pragma once

#include "core/args.h"

namespace nnrun {

Verb bench_verb();
int bench(const Args& args);

}  // namespace nnrun
