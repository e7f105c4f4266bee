#pragma once

#include <string>

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

// Classifies the picture so many times; a line each, with the time of every step.
void write_end_to_end(const Model& model, const EndToEndPlan& plan, int count);

}  // namespace nnrun
