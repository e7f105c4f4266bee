#include "verbs/segment.h"

#include "core/lines.h"
#include "verbs/common.h"
#include "verbs/header.h"
#include "verbs/vision.h"
#include "vision/segmenter.h"

namespace nnrun {

Verb segment_verb() {
    return {"segment", "Finds objects and which pixels are theirs: one JSON line a picture or frame.", "[IMAGE|FOLDER...]",
            vision_flags(head_flags(true))};
}

int segment(const Args& args) {
    const VisionPlan plan = read_vision(args, "segment");
    const HeadPlan head = read_head(args, Task::segment, {"yolov8"});
    const Preprocess steps = read_fixed_preprocess(args);
    const Request request = read_request(args);
    rehearse_detector(request, head, steps, plan.labels.size());
    const Model model(request);
    Segmenter segmenter(model, head, steps);
    write_line(header_line("segment", model, segmenter.describe()));
    write_line(load_line(model));
    return look_at_all(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& { return segmenter(image, ms); });
}

}  // namespace nnrun
