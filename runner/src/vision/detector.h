#pragma once

#include <optional>
#include <vector>

#include "io/image.h"
#include "net/model.h"
#include "vision/feed.h"
#include "vision/head_plan.h"
#include "vision/maps.h"
#include "vision/nms.h"
#include "vision/objects.h"
#include "vision/preprocess.h"
#include "vision/spare_objects.h"

namespace nnrun {

// From a picture to the objects in it. All buffers stay from picture to picture.
class Detector {
public:
    Detector(const Model& model, const HeadPlan& head, const Preprocess& steps);

    // Best first, with box, score, class and place; theirs until the next call. Sets ms.pre,
    // ms.infer and ms.post. Whatever is wrong with the picture is a Failure with Exit::input.
    std::vector<Object>& operator()(const Image& image, Stages& ms);

    // Of the last picture: what masks and keypoints of its objects are made of.
    const Placing& placing() const { return feed_.placing(); }
    const Maps& maps() const { return *maps_; }
    // All of the net's outputs; prototypes are the last.
    const std::vector<ncnn::Mat>& outputs() const { return outputs_; }
    // For the header's line.
    json::Object describe() const;

private:
    void infer(const ncnn::Mat& input);
    void bind();
    void tell();

    const Model& model_;
    HeadPlan head_;
    Preprocess steps_;
    Feed feed_;
    std::vector<ncnn::Mat> outputs_;
    std::optional<Maps> maps_;  // from the first picture on
    std::vector<Candidate> candidates_;
    std::vector<Candidate> kept_;
    std::vector<Object> objects_;
    SpareObjects spare_;
};

// Loads the net in a child process and tries it there: does it take the input, are its outputs
// the head's, does it have as many classes as there are labels (0: any number will do)? Whatever
// is wrong is a Failure.
void rehearse_detector(const Request& request, const HeadPlan& head, const Preprocess& steps, std::size_t labels);

}  // namespace nnrun
