#include "io/mjpeg_writer.h"

#include <cerrno>
#include <cstring>

#include "core/failure.h"
#include "io/jpeg_write.h"

namespace nnrun {

MjpegWriter::MjpegWriter(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) throw Failure(Exit::output, path + ": " + std::strerror(errno));
}

// Each picture is written through to the file: a reader sees it at once, and closing has nothing
// left that could fail.
void MjpegWriter::add(const Image& image) { write_jpeg(file_.get(), path_, image); }

}  // namespace nnrun
