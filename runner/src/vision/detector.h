#pragma once

#include <optional>
#include <vector>

#include "io/image.h"
#include "net/model.h"
#include "vision/boxes.h"
#include "vision/feed.h"
#include "vision/head.h"
#include "vision/mask.h"
#include "vision/objects.h"
#include "vision/preprocess.h"
#include "vision/rotated.h"

namespace nnrun {

// From a picture to the objects in it, with their masks, keypoints or rotated boxes where that is the head's task
// (Ultralytics' heads). All buffers stay from picture to picture.
class Detector {
public:
    Detector(const Model& model, const HeadPlan& head, const Preprocess& steps);

    // The objects, best first; valid until the next call. Sets ms.pre,
    // ms.infer and ms.post. Whatever is wrong with the picture is a Failure with Exit::input.
    std::vector<Object>& operator()(const Image& image, Stages& ms);

    // For the header's line.
    json::Object describe() const;

private:
    void bind();
    void select();
    void select_upright();
    void select_rotated();
    Object& add_object(const Candidate& candidate, const Corners& box);
    void read_keypoints(Object& object) const;
    void decode_mask(Object& object);

    const Model& model_;
    HeadPlan head_;
    Preprocess steps_;
    Feed feed_;
    std::vector<ncnn::Mat> outputs_;
    std::optional<Maps> maps_;  // from the first picture on
    std::vector<Candidate> candidates_;
    std::vector<Candidate> kept_;
    RotatedFilter filter_;
    std::vector<Object> objects_;
    ObjectPool pool_;
    std::optional<MaskDecoder> masks_;  // of a head that segments
    std::vector<float> coefficients_;   // of a mask
};

// Loads the net in a child process and tries it there: does it take the input, are its outputs
// the head's, does it have as many classes as there are labels (0: any number will do)? Whatever
// is wrong is a Failure.
void rehearse_detector(const Request& request, const HeadPlan& head, const Preprocess& steps, std::size_t labels);

}  // namespace nnrun
