#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "feed.h"
#include "image.h"
#include "model.h"
#include "objects.h"
#include "preprocess.h"
#include "shape.h"

namespace nnrun {

struct Score {
    std::size_t index;
    float value;
};

struct Classification {
    ncnn::Mat logits;
    std::vector<Score> top;
};

struct ClassifierPlan {
    Preprocess steps;
    int topk = 5;
    std::string softmax = "auto";          // auto, on or off
    std::optional<std::size_t> labels;     // how many there are
};

// From a picture to its classes, each step timed.
class Classifier {
public:
    // The net must have exactly one output; else a Failure with Exit::usage.
    Classifier(const Model& model, const ClassifierPlan& plan);

    // Sets ms.pre, ms.infer and ms.post. Whatever is wrong with the picture is a Failure with
    // Exit::input.
    Classification operator()(const Image& image, Stages& ms);

    // "applied", "in-net" or "off".
    const std::string& softmax() const { return softmax_; }
    const Blob& output() const { return model_.outputs()[0]; }
    json::Object describe() const;

private:
    void check(const ncnn::Mat& input);
    ncnn::Mat infer(const ncnn::Mat& input) const;
    std::vector<Score> rank(const std::vector<float>& raw) const;

    const Model& model_;
    ClassifierPlan plan_;
    Feed feed_;
    bool applied_ = false;
    std::string softmax_;
    std::set<Shape> checked_;
};

// What to do when a picture does not suit the net.
extern const char* const picture_advice;

}  // namespace nnrun
