#include "vision/head_plan.h"

namespace nnrun {

const std::vector<std::string> dense_kinds{"yolov8", "yolox", "nanodet", "rtmdet", "fcos"};

json::Object HeadPlan::json() const {
    json::Object object;
    object.text("kind", kind);
    if (kind == "simcc") object.number("split", split);
    if (!dense()) return object;
    object.raw("strides", json::integers(strides));
    if (kind == "yolov8" || kind == "nanodet") object.integer("bins", bins);
    return object.number("score", score).number("nms", nms).integer("most", most);
}

std::vector<Flag> head_flags(bool required) {
    return {
        {"--head", "KIND", "what the outputs mean: yolov8, yolox, nanodet, rtmdet, fcos, simcc or heatmap", required},
        {"--strides", "N,N,...", "input pixels between two places of a map, map by map; default 8,16,32"},
        {"--bins", "N", "of a side's distribution; default 16 for yolov8, 8 for nanodet"},
        {"--score", "S", "what is below it is not told; default 0.25"},
        {"--nms", "IOU", "of two boxes of a class that overlap more, the better one stays; default 0.45"},
        {"--most", "N", "objects a picture; default 300"},
        {"--split", "N", "simcc: bins a pixel of the input; default 2"},
    };
}

HeadPlan read_head(const Args& args, Task task, const std::vector<std::string>& kinds) {
    HeadPlan plan;
    plan.kind = args.choice("--head", kinds, kinds.front());
    plan.task = task;
    if (args.has("--strides")) plan.strides = args.sizes("--strides", ',', 1, 8);
    plan.bins = args.integer("--bins", 1, 100000, plan.kind == "nanodet" ? 8 : 16);
    plan.score = args.number("--score", 0, 1, 0.25);
    plan.nms = args.number("--nms", 0, 1, 0.45);
    plan.most = args.integer("--most", 1, 100000, 300);
    plan.split = args.number("--split", 0.001, 16, 2);
    return plan;
}

}  // namespace nnrun
