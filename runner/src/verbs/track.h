#pragma once

#include "core/args.h"

namespace nnrun {

// Many objects: a detector, and who is who from frame to frame.
Verb track_mot_verb();
int track_mot(const Args& args);

// One object, given by its box in the first frame.
Verb track_sot_verb();
int track_sot(const Args& args);

}  // namespace nnrun
