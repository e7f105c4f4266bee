#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "io/image.h"

namespace nnrun {

// A film as pictures of JPEG one after the other, which players know as MJPEG. Whatever cannot be
// written is a Failure with Exit::output.
class MjpegWriter {
public:
    // An existing file is emptied.
    explicit MjpegWriter(const std::string& path);

    void add(const Image& image);

private:
    struct Closer {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    std::string path_;
    std::unique_ptr<std::FILE, Closer> file_;
};

}  // namespace nnrun
