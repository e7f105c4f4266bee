#include "verbs/pose.h"

#include "core/lines.h"
#include "verbs/common.h"
#include "verbs/header.h"
#include "verbs/vision.h"
#include "vision/pose_detector.h"
#include "vision/pose_topdown.h"

namespace nnrun {
namespace {

void begin(const Model& model, const json::Object& input, double load_ms) {
    write_line(header_line("pose", model, input));
    write_line(json::Object().text("type", "load").number("ms", load_ms).str());
}

// One net that finds people and their keypoints.
int at_once(const VisionPlan& plan, const NetPlan& net) {
    rehearse_detector(net.request, net.head, net.steps, plan.labels.size());
    const Model model(net.request);
    PoseDetector find(model, net.head, net.steps);
    begin(model, find.describe(), model.load_ms());
    return look_at_all(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& { return find(image, ms); });
}

// A net that finds people, then one that is shown each of them.
int top_down(const VisionPlan& plan, const NetPlan& detector_plan, const NetPlan& net) {
    rehearse_detector(detector_plan.request, detector_plan.head, detector_plan.steps, 0);
    rehearse_pose_net(net.request, net.head, net.steps);
    const Model detector(detector_plan.request);
    const Model model(net.request);
    TopDownPose find(detector, detector_plan, model, net);
    begin(model, find.describe(), detector.load_ms() + model.load_ms());
    return look_at_all(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& { return find(image, ms); });
}

}  // namespace

Verb pose_verb() {
    std::vector<Flag> own = head_flags(true);
    const std::vector<Flag> detector = person_detector_flags();
    own.insert(own.end(), detector.begin(), detector.end());
    return {"pose", "Finds people and their keypoints: one JSON line a picture or frame.", "[IMAGE|FOLDER...]",
            vision_flags(own)};
}

int pose(const Args& args) {
    const VisionPlan plan = read_vision(args, "pose");
    const HeadPlan head = read_head(args, Task::pose, {"yolov8", "simcc", "heatmap"});
    const NetPlan net{read_request(args), head, read_fixed_preprocess(args)};
    if (head.dense()) {
        if (args.has("--detector-param"))
            args.reject("--head " + head.kind + " finds people by itself, without --detector-param");
        return at_once(plan, net);
    }
    if (net.steps.fit != "box") args.reject("--head " + head.kind + " is shown one person at a time: it needs --fit box");
    return top_down(plan, read_person_detector(args, net.request), net);
}

}  // namespace nnrun
