#pragma once

#include <functional>
#include <string>

namespace nnrun {

// Runs `act` in a child process first. ncnn is written for speed: a wrong file or shape
// can crash it, and its complaints go to stderr without a word on what to do. The child
// crashes instead of us, its noise becomes evidence, and the measured process keeps
// clean memory figures. Must run before this process starts any thread.
// `act` names each phase through its argument before it begins it.
using Phase = std::function<void(const std::string&)>;
void rehearse(const std::function<void(const Phase&)>& act);

}  // namespace nnrun
