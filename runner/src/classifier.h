#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "image.h"
#include "model.h"
#include "preprocess.h"
#include "shape.h"

namespace nnrun {

struct Score {
    std::size_t index;
    float value;
};

// Milliseconds of the steps from a file to its classes.
struct Steps {
    double decode = 0;
    double pre = 0;
    double infer = 0;
    double post = 0;

    double total() const { return decode + pre + infer + post; }
};

struct Classification {
    int width;  // of the picture
    int height;
    ncnn::Mat logits;
    std::vector<Score> top;
    Steps ms;
};

struct ClassifierPlan {
    Preprocess steps;
    int topk = 5;
    std::string softmax = "auto";          // auto, on or off
    std::optional<std::size_t> labels;     // how many there are
};

// From a picture's file to its classes, each step timed.
class Classifier {
public:
    // The net must have exactly one output; else a Failure with Exit::usage.
    Classifier(const Model& model, const ClassifierPlan& plan);

    // Whatever is wrong with the picture is a Failure with Exit::input that names it.
    Classification operator()(const std::string& path);

    // "applied", "in-net" or "off".
    const std::string& softmax() const { return softmax_; }
    const Blob& output() const { return model_.outputs()[0]; }
    json::Object describe() const;

private:
    void check(const std::string& path, const ncnn::Mat& input);
    ncnn::Mat infer(const std::string& path, const ncnn::Mat& input) const;
    std::vector<Score> rank(const std::string& path, const std::vector<float>& raw) const;

    const Model& model_;
    ClassifierPlan plan_;
    bool applied_ = false;
    std::string softmax_;
    std::set<Shape> checked_;
};

// The net's input; whatever is wrong is a Failure that names the picture.
ncnn::Mat prepare(const std::string& path, const Image& image, const Preprocess& steps);

// What to do when a picture does not suit the net.
extern const char* const picture_advice;

}  // namespace nnrun
