#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/args.h"
#include "io/inputs.h"
#include "verbs/draw_output.h"
#include "vision/objects.h"

namespace nnrun {

// What detect, segment, pose and track have in common: frames in, lines out.
struct VisionPlan {
    std::string verb;
    InputsPlan inputs;
    std::vector<std::string> labels;
    DrawPlan draw;
};

// --labels, the inputs, what to draw, the common flags of a net and of its preprocessing, then the verb's own.
std::vector<Flag> vision_flags(const std::vector<Flag>& own);
VisionPlan read_vision(const Args& args, const std::string& verb);

// The objects of one frame, which live until the next; sets all of the stages but decode and draw.
using Look = std::function<std::vector<Object>&(const Image&, Stages&)>;

// A line a frame, then the summary; the exit code.
int look_at_all(const VisionPlan& plan, const Look& look);

}  // namespace nnrun
