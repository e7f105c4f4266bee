#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/model.h"
#include "net/tensor.h"
#include "vision/classifier.h"
#include "vision/detector.h"
#include "vision/feed.h"
#include "vision/head.h"
#include "vision/preprocess.h"
#include "vision/semantic.h"

namespace nnrun {

struct EndToEndPlan {
    std::string picture;           // "": nothing to do
    ClassifierPlan classifier;     // its steps are the detector's too
    std::optional<HeadPlan> head;  // of a net that finds objects or regions; none: it classifies
    bool raw = false;              // it does neither: the outputs are what counts
    int max_runs = 20;
};

// In a child process, so that this one's peak memory stays that of the inference: can the
// picture be read, and does it become an input of that shape? If not, a Failure.
void check_picture(const EndToEndPlan& plan, const Shape& shape);

// From the picture's file to its classes or its objects.
class EndToEnd {
public:
    // A net that classifies with several outputs needs one named; else a Failure with Exit::usage.
    EndToEnd(const Model& model, const EndToEndPlan& plan);

    // A line each, with the time of every step.
    void write(int count);

private:
    Stages run_once();
    void run_raw(Stages& ms);

    const Model& model_;
    EndToEndPlan plan_;
    Feed feed_;
    std::optional<Classifier> classify_;
    std::optional<Detector> detect_;
    std::optional<Segmenter> segment_;
    Image image_;
    std::vector<ncnn::Mat> outputs_;
};

}  // namespace nnrun
