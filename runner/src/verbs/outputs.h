#pragma once

#include <string>

#include "core/json.h"
#include "net/model.h"
#include "net/shape.h"

namespace nnrun {

bool all_finite(const ncnn::Mat& blob);
bool all_finite(const std::vector<float>& values);

// The "output" line of one blob; with a folder, its values go to <folder>/<stem>.f32 first.
json::Object output_line(const std::string& name, const ncnn::Mat& blob, const std::string& folder, const std::string& stem);

}  // namespace nnrun
