#pragma once

#include <string>

#include "classifier.h"
#include "model.h"
#include "preprocess.h"
#include "shape.h"

namespace nnrun {

struct EndToEndPlan {
    std::string picture;  // "": nothing to do
    Preprocess steps;
    int most = 20;
};

// In a child process, so that this one's peak memory stays that of the inference: can the
// picture be read, and does it become an input of that shape? If not, a Failure.
void check_picture(const EndToEndPlan& plan, const Shape& shape);

// Classifications of the picture, from its file on.
class EndToEnd {
public:
    // The net must have exactly one output; else a Failure with Exit::usage.
    EndToEnd(const Model& model, const EndToEndPlan& plan);

    // A line each, with the time of every step.
    void write(int count);

private:
    EndToEndPlan plan_;
    Classifier classify_;
    Image image_;
};

}  // namespace nnrun
