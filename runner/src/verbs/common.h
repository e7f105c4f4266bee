#pragma once

#include <string>
#include <vector>

#include "core/args.h"
#include "core/json.h"
#include "net/model.h"
#include "net/tensor.h"

namespace nnrun {

// The flags of every verb that runs a net, followed by its own.
std::vector<Flag> with_net_flags(const std::vector<Flag>& own);

Request read_request(const Args& args);

std::string version_line();

// The first line of every run: all that a reader needs to judge the numbers after it. Of one with a
// net a second line says how long loading took.
void write_header(const Args& args, const Model& model, const json::Object& input);
// Of a run with a second net, whose loading counts too.
void write_header(const Args& args, const Model& model, const Model& second, const json::Object& input);
// Of a run without a net.
void write_header(const Args& args, const json::Object& input);

// The "output" line of one blob; with a folder, its values go to <folder>/<stem>.f32 first.
json::Object output_line(const std::string& name, const ncnn::Mat& blob, const std::string& folder, const std::string& stem);

}  // namespace nnrun
