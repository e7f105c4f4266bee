#pragma once

#include <cstdio>
#include <string>

#include "io/image.h"

namespace nnrun {

// Both write at quality 90. A picture with a side of more than 65500 pixels, which JPEG does not
// know, is a Failure with Exit::input; whatever cannot be written, one with Exit::output. `path`
// is what the Failure calls the file.
void write_jpeg(std::FILE* file, const std::string& path, const Image& image);
void save_jpeg(const std::string& path, const Image& image);

}  // namespace nnrun
