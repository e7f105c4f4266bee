#include "vision/pose_topdown.h"

#include <algorithm>

#include "verbs/common.h"

namespace nnrun {
namespace {

const char* const prefix = "detector-";

// A process has one number of threads, and the cores it may use.
bool of_the_process(const Flag& flag) { return flag.name == "--threads" || flag.name == "--powersave"; }

}  // namespace

std::vector<Flag> person_detector_flags() {
    std::vector<Flag> flags = with_common_flags(preprocess_flags());
    const std::vector<Flag> head = head_flags(false);
    flags.insert(flags.end(), head.begin(), head.end());
    flags.erase(std::remove_if(flags.begin(), flags.end(), of_the_process), flags.end());
    for (Flag& flag : flags) flag.required = false;
    return with_prefix(flags, prefix);
}

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

TopDownPose::TopDownPose(const Model& detector, const NetPlan& detector_plan, const Model& pose, const NetPlan& pose_plan)
    : detect_(detector, detector_plan.head, detector_plan.steps), pose_(pose, pose_plan.head, pose_plan.steps) {}

json::Object TopDownPose::describe() const {
    json::Object input = pose_.describe();
    return input.raw("detector", detect_.describe().str());
}

std::vector<Object>& TopDownPose::operator()(const Image& image, Stages& ms) {
    std::vector<Object>& people = detect_(image, ms);
    const auto no_person = [](const Object& object) { return object.label != 0; };
    people.erase(std::remove_if(people.begin(), people.end(), no_person), people.end());
    for (Object& person : people) pose_(image, person, ms);
    return people;
}

}  // namespace nnrun
