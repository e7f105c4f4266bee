#pragma once

#include <string>

#include "core/json.h"
#include "net/model.h"

namespace nnrun {

std::string version_line();

// The first line of every run: all that a reader needs to judge the numbers after it.
std::string header_line(const std::string& task, const Model& model, const json::Object& input);

// Of a run without a net.
std::string header_line(const std::string& task, const json::Object& input);

std::string load_line(const Model& model);

}  // namespace nnrun
