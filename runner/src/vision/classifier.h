#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/args.h"
#include "io/image.h"
#include "net/graph.h"
#include "net/model.h"
#include "net/tensor.h"
#include "vision/feed.h"
#include "vision/objects.h"
#include "vision/preprocess.h"

namespace nnrun {

// What a net's output already is, as its last layers say.
enum class Ending { logits, probabilities, log_probabilities };

// Reshaping, splitting and clipping change nothing; a softmax, a sigmoid, values divided by their
// sum, and what is put together of such, are probabilities. The desktop's twin is
// piyard/convert/output_kinds.py.
Ending ending_of(const Graph& graph, const std::string& output);

const std::vector<std::string>& activations();  // auto, softmax, sigmoid, exp, none

// "auto" for an output of so many values that ends so: none twice, and one logit is a sigmoid's.
std::string resolved(const std::string& activation, Ending ending, std::size_t count);

// Scores of the classes; a single one of two classes is that of the second.
std::vector<float> scores_of(const std::vector<float>& raw, const std::string& activation, std::size_t classes);

struct Score {
    std::size_t index;
    float value;
};

struct Classification {
    ncnn::Mat logits;
    std::string activation;  // what made the scores: softmax, sigmoid, exp or none
    std::vector<Score> top;
};

struct ClassifierPlan {
    Preprocess steps;
    int topk = 5;
    std::string classes;                // the output that holds them; "": the only one
    std::string activation = "auto";    // one of activations()
    std::optional<std::size_t> labels;  // how many there are
};

// --classes and --activation; the flags of preprocessing are the verb's.
std::vector<Flag> classifier_flags();
ClassifierPlan read_classifier(const Args& args);

// From a picture to its classes, each step timed.
class Classifier {
public:
    // A net of several outputs needs plan.classes; else a Failure with Exit::usage.
    Classifier(const Model& model, const ClassifierPlan& plan);

    // Sets ms.pre, ms.infer and ms.post. Whatever is wrong with the picture is a Failure with
    // Exit::input.
    Classification operator()(const Image& image, Stages& ms);

    const Blob& output() const { return model_.outputs()[output_]; }
    json::Object describe() const;

private:
    void check(const ncnn::Mat& input);
    ncnn::Mat infer(const ncnn::Mat& input) const;
    std::string activation(std::size_t values) const;
    std::vector<Score> rank(const std::vector<float>& raw, const std::string& activation) const;

    const Model& model_;
    ClassifierPlan plan_;
    std::size_t output_;
    Feed feed_;
    Ending ending_ = Ending::logits;
    std::set<Shape> checked_;
};

// What to do when a picture does not suit the net.
extern const char* const picture_advice;

}  // namespace nnrun
