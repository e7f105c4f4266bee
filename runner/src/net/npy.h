#pragma once

#include <mat.h>

#include <string>

namespace nnrun {

// A tensor of one to three axes from a .npy file (NumPy's format 1.0 to 3.0) of little-endian
// floats in C order. Anything else is a Failure with Exit::input.
ncnn::Mat read_npy(const std::string& path);

}  // namespace nnrun
