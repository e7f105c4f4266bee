#include "vision/detector.h"

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/failure.h"
#include "net/probe.h"
#include "verbs/outputs.h"
#include "vision/candidates.h"
#include "vision/sides.h"

namespace nnrun {
namespace {

bool has_area(const Corners& box) { return box[2] > box[0] && box[3] > box[1]; }

Box as_floats(const Corners& box) {
    return {static_cast<float>(box[0]), static_cast<float>(box[1]), static_cast<float>(box[2]), static_cast<float>(box[3])};
}

std::vector<Shape> shapes_of(const std::vector<ncnn::Mat>& blobs) {
    std::vector<Shape> shapes;
    for (const ncnn::Mat& blob : blobs) shapes.push_back(shape_of(blob));
    return shapes;
}

}  // namespace

Detector::Detector(const Model& model, const HeadPlan& head, const Preprocess& steps)
    : model_(model), head_(head), steps_(steps), feed_(steps), outputs_(model.outputs().size()) {}

std::vector<Object>& Detector::operator()(const Image& image, Stages& ms) {
    Stopwatch watch;
    const ncnn::Mat& input = feed_(image);
    ms.pre = watch.lap();
    infer(input);
    ms.infer = watch.lap();
    bind();
    tell();
    ms.post = watch.lap();
    return objects_;
}

json::Object Detector::describe() const {
    json::Object input = steps_.json();
    return input.text("blob", model_.input().name).raw("head", head_.json().str());
}

void Detector::infer(const ncnn::Mat& input) {
    if (model_.run(input, outputs_) != 0) throw Failure(Exit::input, "the inference failed; is there enough memory?");
}

void Detector::bind() {
    for (std::size_t i = 0; i < outputs_.size(); ++i)
        if (!all_finite(outputs_[i]))
            throw Failure(Exit::input, "the net's output " + model_.outputs()[i].name + " holds NaN or infinity; try --precision fp32");
    if (!maps_) maps_.emplace(head_, steps_.shape(), shapes_of(outputs_));
    maps_->bind(outputs_);
}

// Greedy, best first; a box is worked out only when its turn comes.
void Detector::tell() {
    candidates_.clear();
    kept_.clear();
    spare_.keep(objects_);
    find_candidates(head_, *maps_, candidates_);
    std::sort(candidates_.begin(), candidates_.end(), better);
    for (Candidate& one : candidates_) {
        if (kept_.size() == static_cast<std::size_t>(head_.most)) break;
        one.box = box_at(head_, *maps_, maps_->place(one.place));
        if (!suppressed(one, kept_, head_.nms)) kept_.push_back(one);
    }
    for (const Candidate& one : kept_) {
        const Corners box = placing().back(one.box);
        if (!has_area(box)) continue;
        Object object = spare_.take();
        object.label = one.label;
        object.score = static_cast<float>(one.score);
        object.box = as_floats(box);
        object.place = one.place;
        objects_.push_back(std::move(object));
    }
}

void rehearse_detector(const Request& request, const HeadPlan& head, const Preprocess& steps, std::size_t labels) {
    const auto check = [&](const std::vector<Shape>& outputs) {
        const Maps maps(head, steps.shape(), outputs);
        const auto classes = static_cast<std::size_t>(maps.layout().classes.size());
        if (labels != 0 && labels != classes)
            throw Failure(Exit::input, "--labels holds " + std::to_string(labels) + " lines and the net knows " +
                                           std::to_string(classes) + " classes");
    };
    rehearse_model(request, steps.shape(), "check --size", check);
}

}  // namespace nnrun
