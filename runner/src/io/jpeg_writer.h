#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "io/image.h"

namespace nnrun {

// Both write at quality 90. A picture with a side of more than 65500 pixels, which JPEG does not
// know, is a Failure with Exit::input; whatever cannot be written, one with Exit::output. `path`
// is what the Failure calls the file.
void write_jpeg(std::FILE* file, const std::string& path, const Image& image);
void save_jpeg(const std::string& path, const Image& image);

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
