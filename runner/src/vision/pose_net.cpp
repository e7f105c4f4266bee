#include "vision/pose_net.h"

#include <cmath>

#include "core/clock.h"
#include "core/failure.h"
#include "core/text.h"
#include "net/probe.h"
#include "verbs/outputs.h"
#include "vision/heatmap.h"
#include "vision/simcc.h"

namespace nnrun {
namespace {

[[noreturn]] void refuse(const HeadPlan& head, const std::vector<Shape>& outputs, const std::string& expected) {
    std::vector<std::string> found;
    for (const Shape& shape : outputs) found.push_back(shown(shape));
    throw Failure(Exit::model, "the net's outputs are not those of a " + head.kind + " head: expected " + expected + ", found " +
                                   join(found, "; ") + "; check --head, --size, --split and --output-blob");
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
    if (model_.run(input, outputs_) != 0) throw Failure(Exit::input, "the inference failed; is there enough memory?");
    ms.infer += watch.lap();
    check_finite();
    decode(object.keypoints);
    ms.post += watch.lap();
}

void PoseNet::check_finite() const {
    for (std::size_t i = 0; i < outputs_.size(); ++i)
        if (!all_finite(outputs_[i]))
            throw Failure(Exit::input, "the pose net's output " + model_.outputs()[i].name +
                                           " holds NaN or infinity; try --precision fp32");
}

void PoseNet::decode(std::vector<Keypoint>& keypoints) const {
    if (head_.kind == "simcc")
        read_simcc(outputs_[0], outputs_[1], head_.split, feed_.placing(), keypoints);
    else
        read_heatmaps(outputs_[0], steps_.size[0], steps_.size[1], feed_.placing(), keypoints);
}

void rehearse_pose_net(const Request& request, const HeadPlan& head, const Preprocess& steps) {
    const auto check = [&](const std::vector<Shape>& outputs) { check_outputs(head, steps.size, outputs); };
    rehearse_model(request, steps.shape(), "check --size", check);
}

}  // namespace nnrun
