#pragma once

#include <vector>

#include "io/image.h"
#include "net/model.h"
#include "vision/feed.h"
#include "vision/head_plan.h"
#include "vision/objects.h"
#include "vision/preprocess.h"

namespace nnrun {

// The keypoints of one object, by a net that is shown only that object.
class PoseNet {
public:
    // The head is simcc or heatmap, the preprocessing fit box.
    PoseNet(const Model& model, const HeadPlan& head, const Preprocess& steps);

    // Sets the object's keypoints and adds to the stages. What the net makes of it must be finite;
    // else a Failure with Exit::input.
    void operator()(const Image& image, Object& object, Stages& ms);

    json::Object describe() const;

private:
    void check_finite() const;
    void decode(std::vector<Keypoint>& keypoints) const;

    const Model& model_;
    HeadPlan head_;
    Preprocess steps_;
    Feed feed_;
    std::vector<ncnn::Mat> outputs_;
};

// Loads the net in a child process and tries it there: does it take the input, are its outputs
// the head's? Whatever is wrong is a Failure.
void rehearse_pose_net(const Request& request, const HeadPlan& head, const Preprocess& steps);

}  // namespace nnrun
