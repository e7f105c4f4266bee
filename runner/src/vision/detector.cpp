#include "vision/detector.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/clock.h"
#include "core/failure.h"
#include "net/probe.h"

namespace nnrun {
namespace {

float sigmoid(double logit) { return static_cast<float>(1 / (1 + std::exp(-logit))); }

bool has_area(const Corners& box) { return box[2] > box[0] && box[3] > box[1]; }

Box as_floats(const Corners& box) {
    return {static_cast<float>(box[0]), static_cast<float>(box[1]), static_cast<float>(box[2]), static_cast<float>(box[3])};
}

// In pixels of the net's input.
double keypoint_at(const HeadPlan& head, float value, int place, int stride) {
    if (head.keypoint_grid == "centred") return static_cast<double>(value) * stride + (place * stride + stride / 2.0);
    return static_cast<double>(value) * 2 * stride + place * stride;
}

std::vector<Shape> shapes_of(const std::vector<ncnn::Mat>& blobs) {
    std::vector<Shape> shapes;
    for (const ncnn::Mat& blob : blobs) shapes.push_back(shape_of(blob));
    return shapes;
}

}  // namespace

Detector::Detector(const Model& model, const HeadPlan& head, const Preprocess& steps)
    : model_(model), head_(head), steps_(steps), feed_(steps), outputs_(model.outputs().size()), filter_(head.nms) {
    if (head.task == Task::segment) masks_.emplace(steps.shape()[1], steps.shape()[2]);
}

std::vector<Object>& Detector::operator()(const Image& image, Stages& ms) {
    Stopwatch watch;
    const ncnn::Mat& input = feed_(image);
    ms.pre = watch.lap();
    model_.run(input, outputs_);
    ms.infer = watch.lap();
    bind();
    select();
    for (Object& object : objects_) {
        if (head_.task == Task::pose) read_keypoints(object);
        if (head_.task == Task::segment) decode_mask(object);
    }
    ms.post = watch.lap();
    return objects_;
}

json::Object Detector::describe() const {
    json::Object input = steps_.json();
    return input.text("blob", model_.input().name).raw("head", head_.json().str());
}

void Detector::bind() {
    for (std::size_t i = 0; i < outputs_.size(); ++i)
        if (!all_finite(outputs_[i]))
            throw Failure(Exit::input, "the net's output " + model_.outputs()[i].name + " holds NaN or infinity; try --precision fp32");
    if (!maps_) maps_.emplace(head_, steps_.shape(), shapes_of(outputs_));
    maps_->bind(outputs_);
}

void Detector::select() {
    candidates_.clear();
    pool_.recycle(objects_);
    find_candidates(head_, *maps_, candidates_);
    std::sort(candidates_.begin(), candidates_.end(), better);
    if (head_.task == Task::obb)
        select_rotated();
    else
        select_upright();
}

// Greedy, best first; a box is worked out only when its turn comes.
void Detector::select_upright() {
    kept_.clear();
    for (Candidate& candidate : candidates_) {
        if (kept_.size() == static_cast<std::size_t>(head_.max_objects)) break;
        candidate.box = box_at(head_, *maps_, maps_->place(candidate.place));
        if (head_.end_to_end || !suppressed(candidate, kept_, head_.nms)) kept_.push_back(candidate);
    }
    for (const Candidate& candidate : kept_) {
        const Corners box = feed_.transform().to_picture(candidate.box);
        if (has_area(box)) add_object(candidate, box);
    }
}

void Detector::select_rotated() {
    filter_.clear();
    int kept = 0;
    for (const Candidate& candidate : candidates_) {
        if (kept == head_.max_objects) break;
        const RotatedBox inside = rotated_box_at(head_, *maps_, maps_->place(candidate.place));
        if (!head_.end_to_end && !filter_.add(candidate.label, inside)) continue;
        ++kept;
        const RotatedBox box = to_picture(inside, feed_.transform());
        const Corners around = feed_.transform().clip(enclosing(box));
        if (has_area(around) && box.width > 0 && box.height > 0) add_object(candidate, around).rotated = box;
    }
}

Object& Detector::add_object(const Candidate& candidate, const Corners& box) {
    Object object = pool_.acquire();
    object.label = candidate.label;
    object.score = static_cast<float>(candidate.score);
    object.box = as_floats(box);
    object.place = candidate.place;
    objects_.push_back(std::move(object));
    return objects_.back();
}

// Three channels a keypoint, x, y and a score, or two: then each is sure. x = (2 x value + column) x
// stride, or of a centred grid (value + column + 1/2) x stride, y alike with the row; then back to the
// picture.
void Detector::read_keypoints(Object& object) const {
    const Place place = maps_->place(object.place);
    const Range channels = maps_->layout().extra;
    const ImageTransform& transform = feed_.transform();
    const int values = head_.keypoint_values();
    object.keypoints.clear();
    for (int channel = channels.begin; channel + values <= channels.end; channel += values) {
        const double x = keypoint_at(head_, maps_->value(place, channel), place.column, place.stride);
        const double y = keypoint_at(head_, maps_->value(place, channel + 1), place.row, place.stride);
        const float score = values == 3 ? sigmoid(maps_->value(place, channel + 2)) : 1;
        object.keypoints.push_back({static_cast<float>(transform.x.to_picture(x)), static_cast<float>(transform.y.to_picture(y)), score});
    }
}

// The prototypes are the net's last output.
void Detector::decode_mask(Object& object) {
    const Place place = maps_->place(object.place);
    const Range channels = maps_->layout().extra;
    coefficients_.clear();
    for (int channel = channels.begin; channel < channels.end; ++channel) coefficients_.push_back(maps_->value(place, channel));
    (*masks_)(outputs_.back(), coefficients_, feed_.transform(), object.box, object.mask);
}

void rehearse_detector(const Request& request, const HeadPlan& head, const Preprocess& steps, std::size_t labels) {
    const auto check = [&](const std::vector<Shape>& outputs) {
        const Maps maps(head, steps.shape(), outputs);
        const auto classes = static_cast<std::size_t>(maps.layout().classes.size());
        if (labels != 0 && labels != classes)
            throw Failure(Exit::input,
                          "--labels holds " + std::to_string(labels) + " lines and the net has " + std::to_string(classes) + " classes");
    };
    rehearse_model(request, steps.shape(), "check --size", check);
}

}  // namespace nnrun
