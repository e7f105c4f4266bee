#include <algorithm>

#include "verbs/common.h"
#include "verbs/frames.h"
#include "verbs/verbs.h"
#include "vision/detector.h"
#include "vision/pose.h"

namespace nnrun {
namespace {

// Of the flags of the net that finds people.
const char* const prefix = "detector-";

// A process has one number of threads, and the cores it may use.
std::vector<Flag> person_detector_flags() {
    const std::vector<Flag> flags = join_flags({with_net_flags(preprocess_flags()), head_flags(false)});
    return with_prefix(all_optional(without_flags(flags, {"--threads", "--powersave"})), prefix);
}

// Threads, cores and, where it has no flag of its own, the precision are those of `pose`.
NetPlan read_person_detector(const Args& args, const Request& pose) {
    const Args own = args.under(prefix);
    for (const char* const flag : {"--param", "--bin", "--head"})
        if (!own.has(flag)) args.reject("--head " + args.text("--head") + " needs a net that finds people: " + own.name(flag));
    NetPlan plan{read_request(own), read_head(own, Task::detect, dense_kinds), read_fixed_preprocess(own)};
    plan.request.threads = pose.threads;
    plan.request.powersave = pose.powersave;
    if (!own.has("--precision")) plan.request.precision = pose.precision;
    return plan;
}

// A net that finds people, then one that is shown each of them.
int top_down(const Args& args, const HeadPlan& head) {
    const FramesPlan plan = read_frames(args);
    const NetPlan pose_plan{read_request(args), head, read_fixed_preprocess(args)};
    if (pose_plan.steps.fit != "box") args.reject("--head " + head.kind + " is shown one person at a time: it needs --fit box");
    const NetPlan detector_plan = read_person_detector(args, pose_plan.request);
    rehearse_detector(detector_plan.request, detector_plan.head, detector_plan.steps, 0);
    rehearse_pose_net(pose_plan.request, pose_plan.head, pose_plan.steps);
    const Model detector(detector_plan.request);
    const Model pose(pose_plan.request);
    TopDownPose find(detector, detector_plan, pose, pose_plan);
    write_header(args, pose, detector, find.describe());
    return process_frames(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& { return find(image, ms); });
}

}  // namespace

std::vector<Flag> pose_flags() { return frame_flags(join_flags({head_flags(true), person_detector_flags()})); }

int pose(const Args& args) {
    const HeadPlan head = read_head(args, Task::pose, {"yolov8", "simcc", "heatmap"});
    if (!head.dense()) return top_down(args, head);
    if (args.has("--detector-param")) args.reject("--head " + head.kind + " finds people by itself; leave out --detector-param");
    return run_detector(args, head);
}

}  // namespace nnrun
