#pragma once

#include <string>
#include <vector>

#include "core/args.h"
#include "core/json.h"

namespace nnrun {

enum class Task { detect, segment, pose };

// What a net's outputs mean (piyard/model/head.py says it in full).
struct HeadPlan {
    std::string kind;  // yolov8, yolox, nanodet, rtmdet or fcos; for keypoints simcc or heatmap
    Task task = Task::detect;
    std::vector<int> strides{8, 16, 32};
    int bins = 16;
    double score = 0.25;
    double nms = 0.45;
    int most = 300;
    double split = 2;  // bins of simcc a pixel of the input

    bool dense() const { return kind != "simcc" && kind != "heatmap"; }
    json::Object json() const;
    // Outputs at the end that belong to no level.
    std::size_t globals() const { return task == Task::segment ? 1 : 0; }
};

// `required`: whether --head must be given.
std::vector<Flag> head_flags(bool required);
HeadPlan read_head(const Args& args, Task task, const std::vector<std::string>& kinds);

extern const std::vector<std::string> dense_kinds;

}  // namespace nnrun
