#include "vision/pose.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "core/failure.h"
#include "core/text.h"
#include "net/probe.h"

namespace nnrun {
namespace {

int largest(const float* values, int count) { return static_cast<int>(std::max_element(values, values + count) - values); }

}  // namespace

void read_simcc(const ncnn::Mat& x, const ncnn::Mat& y, double split, const ImageTransform& transform, std::vector<Keypoint>& keypoints) {
    keypoints.clear();
    for (int i = 0; i < x.h; ++i) {
        const int column = largest(x.row(i), x.w);
        const int row = largest(y.row(i), y.w);
        keypoints.push_back({static_cast<float>(transform.x.to_picture(column / split)),
                             static_cast<float>(transform.y.to_picture(row / split)), std::min(x.row(i)[column], y.row(i)[row])});
    }
}

namespace {

// Towards the larger one of the neighbours `step` values away; 0 where there is only one.
double quarter(const float* value, int at, int count, int step) {
    if (at == 0 || at == count - 1 || value[step] == value[-step]) return 0;
    return value[step] > value[-step] ? 0.25 : -0.25;
}

}  // namespace

void read_heatmaps(const ncnn::Mat& maps, int input_rows, int input_columns, const ImageTransform& transform,
                   std::vector<Keypoint>& keypoints) {
    keypoints.clear();
    for (int i = 0; i < maps.c; ++i) {
        const float* const map = maps.channel(i);
        const int at = static_cast<int>(std::max_element(map, map + maps.w * maps.h) - map);
        const int column = at % maps.w;
        const int row = at / maps.w;
        const double x = (column + quarter(map + at, column, maps.w, 1)) * (static_cast<double>(input_columns) / maps.w);
        const double y = (row + quarter(map + at, row, maps.h, maps.w)) * (static_cast<double>(input_rows) / maps.h);
        keypoints.push_back({static_cast<float>(transform.x.to_picture(x)), static_cast<float>(transform.y.to_picture(y)), map[at]});
    }
}

namespace {

[[noreturn]] void refuse(const HeadPlan& head, const std::vector<Shape>& outputs, const std::string& expected) {
    std::vector<std::string> shapes;
    for (const Shape& shape : outputs) shapes.push_back(format_shape(shape));
    throw Failure(Exit::model, "the net's outputs are not those of a " + head.kind + " head: expected " + expected + ", found " +
                                   join(shapes, "; ") + "; check --head, --size, --split and --output-blob");
}

void check_simcc(const HeadPlan& head, const std::vector<int>& size, const std::vector<Shape>& outputs) {
    const int columns = static_cast<int>(std::nearbyint(size[1] * head.split));
    const int rows = static_cast<int>(std::nearbyint(size[0] * head.split));
    const bool two = outputs.size() == 2 && outputs[0].size() == 2 && outputs[1].size() == 2;
    if (!two || outputs[0][0] != outputs[1][0] || outputs[0][1] != columns || outputs[1][1] != rows)
        refuse(head, outputs, "keypoints,bins twice, with " + std::to_string(columns) + " and " + std::to_string(rows) + " bins");
}

void check_outputs(const HeadPlan& head, const std::vector<int>& size, const std::vector<Shape>& outputs) {
    if (head.kind == "simcc")
        check_simcc(head, size, outputs);
    else if (outputs.size() != 1 || outputs[0].size() != 3)
        refuse(head, outputs, "one of keypoints,rows,columns");
}

Corners corners(const Box& box) {
    return {static_cast<double>(box.x0), static_cast<double>(box.y0), static_cast<double>(box.x1), static_cast<double>(box.y1)};
}

}  // namespace

PoseNet::PoseNet(const Model& model, const HeadPlan& head, const Preprocess& steps)
    : model_(model), head_(head), steps_(steps), feed_(steps), outputs_(model.outputs().size()) {}

json::Object PoseNet::describe() const {
    json::Object input = steps_.json();
    return input.text("blob", model_.input().name).raw("head", head_.json().str());
}

void PoseNet::operator()(const Image& image, Object& object, Stages& ms) {
    Stopwatch watch;
    const ncnn::Mat& input = feed_(image, corners(object.box));
    ms.pre += watch.lap();
    model_.run(input, outputs_);
    ms.infer += watch.lap();
    check_finite();
    decode(object.keypoints);
    ms.post += watch.lap();
}

void PoseNet::check_finite() const {
    for (std::size_t i = 0; i < outputs_.size(); ++i)
        if (!all_finite(outputs_[i]))
            throw Failure(Exit::input,
                          "the pose net's output " + model_.outputs()[i].name + " holds NaN or infinity; try --precision fp32");
}

void PoseNet::decode(std::vector<Keypoint>& keypoints) const {
    if (head_.kind == "simcc")
        read_simcc(outputs_[0], outputs_[1], head_.split, feed_.transform(), keypoints);
    else
        read_heatmaps(outputs_[0], steps_.size[0], steps_.size[1], feed_.transform(), keypoints);
}

void rehearse_pose_net(const Request& request, const HeadPlan& head, const Preprocess& steps) {
    const auto check = [&](const std::vector<Shape>& outputs) { check_outputs(head, steps.size, outputs); };
    rehearse_model(request, steps.shape(), "check --size", check);
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
