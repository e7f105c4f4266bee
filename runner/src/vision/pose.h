#pragma once

#include <mat.h>

#include <vector>

#include "io/image.h"
#include "net/model.h"
#include "vision/detector.h"
#include "vision/feed.h"
#include "vision/head.h"
#include "vision/objects.h"
#include "vision/preprocess.h"

namespace nnrun {

// RTMPose's two outputs (keypoints, bins), for x and for y with `split` bins a pixel of the input:
// a keypoint is where each is largest, and its score is the smaller one of the two largest values.
void read_simcc(const ncnn::Mat& x, const ncnn::Mat& y, double split, const ImageTransform& transform, std::vector<Keypoint>& keypoints);

// One output (keypoints, rows, columns) of a net whose input has `input_rows` x `input_columns`: a
// keypoint is where its map is largest, moved by a quarter of a place towards the larger
// neighbour in each direction (Xiao, Wu and Wei 2018, "Simple Baselines for Human Pose Estimation
// and Tracking"); its score is that largest value.
void read_heatmaps(const ncnn::Mat& maps, int input_rows, int input_columns, const ImageTransform& transform,
                   std::vector<Keypoint>& keypoints);

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

// A net with its head and its preprocessing.
struct NetPlan {
    Request request;
    HeadPlan head;
    Preprocess steps;
};

// People first, then the keypoints of each: two nets.
class TopDownPose {
public:
    TopDownPose(const Model& detector, const NetPlan& detector_plan, const Model& pose, const NetPlan& pose_plan);

    // As the Detector's, of its class 0 only.
    std::vector<Object>& operator()(const Image& image, Stages& ms);

    json::Object describe() const;

private:
    Detector detect_;
    PoseNet pose_;
};

}  // namespace nnrun
