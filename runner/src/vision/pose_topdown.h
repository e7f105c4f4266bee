#pragma once

#include <vector>

#include "core/args.h"
#include "vision/detector.h"
#include "vision/pose_net.h"

namespace nnrun {

// A net with what surrounds it.
struct NetPlan {
    Request request;
    HeadPlan head;
    Preprocess steps;
};

// Those of the net that finds people, under "--detector-".
std::vector<Flag> person_detector_flags();
// Threads, cores and, if it is not told, the precision are those of `pose`.
NetPlan read_person_detector(const Args& args, const Request& pose);

// People first, then the keypoints of each: two nets.
class TopDownPose {
public:
    TopDownPose(const Model& detector, const NetPlan& detector_plan, const Model& pose, const NetPlan& pose_plan);

    // As the Detector's; only its class 0 is told.
    std::vector<Object>& operator()(const Image& image, Stages& ms);

    json::Object describe() const;

private:
    Detector detect_;
    PoseNet pose_;
};

}  // namespace nnrun
