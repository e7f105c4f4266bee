#include "verbs/frames.h"
#include "verbs/verbs.h"

namespace nnrun {

std::vector<Flag> detect_flags() { return frame_flags(head_flags(true)); }

int detect(const Args& args) { return run_detector(args, read_head(args, Task::detect, dense_kinds)); }

int obb(const Args& args) { return run_detector(args, read_head(args, Task::obb, {"yolov8"})); }

int segment(const Args& args) { return run_detector(args, read_head(args, Task::segment, {"yolov8", "yolov5"})); }

}  // namespace nnrun
