#include "verbs/detect.h"

#include "core/lines.h"
#include "verbs/common.h"
#include "verbs/header.h"
#include "verbs/vision.h"
#include "vision/detector.h"

namespace nnrun {

Verb detect_verb() {
    return {"detect", "Finds objects: one JSON line a picture or frame. EXIF orientation is applied.", "[IMAGE|FOLDER...]",
            vision_flags(head_flags(true))};
}

int detect(const Args& args) {
    const VisionPlan plan = read_vision(args, "detect");
    const HeadPlan head = read_head(args, Task::detect, dense_kinds);
    const Preprocess steps = read_fixed_preprocess(args);
    const Request request = read_request(args);
    rehearse_detector(request, head, steps, plan.labels.size());
    const Model model(request);
    Detector detector(model, head, steps);
    write_line(header_line("detect", model, detector.describe()));
    write_line(load_line(model));
    return look_at_all(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& { return detector(image, ms); });
}

}  // namespace nnrun
