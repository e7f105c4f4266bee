#include "io/jpeg_writer.h"

#include <jpeglib.h>

#include <cerrno>
#include <csetjmp>
#include <cstring>

#include "core/failure.h"

namespace nnrun {
namespace {

// As in jpeg.cpp: libjpeg leaves by longjmp, so what owns something lives in the caller.
struct Encoder {
    jpeg_compress_struct jpeg;
    jpeg_error_mgr errors;
    std::jmp_buf jump;
    char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr jpeg) {
    Encoder& encoder = *static_cast<Encoder*>(jpeg->client_data);
    jpeg->err->format_message(jpeg, encoder.message);
    std::longjmp(encoder.jump, 1);
}

void describe(jpeg_compress_struct& jpeg, const Image& image) {
    constexpr int quality = 90;
    jpeg.image_width = static_cast<JDIMENSION>(image.width);
    jpeg.image_height = static_cast<JDIMENSION>(image.height);
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
}

bool encode(Encoder& encoder, std::FILE* file, const Image& image) {
    encoder.jpeg.err = jpeg_std_error(&encoder.errors);
    encoder.errors.error_exit = on_error;
    encoder.jpeg.client_data = &encoder;
    if (setjmp(encoder.jump) != 0) return false;
    jpeg_create_compress(&encoder.jpeg);
    encoder.jpeg.client_data = &encoder;
    jpeg_stdio_dest(&encoder.jpeg, file);
    describe(encoder.jpeg, image);
    jpeg_start_compress(&encoder.jpeg, TRUE);
    while (encoder.jpeg.next_scanline < encoder.jpeg.image_height) {
        // libjpeg only reads it.
        JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(encoder.jpeg.next_scanline)));
        jpeg_write_scanlines(&encoder.jpeg, &row, 1);
    }
    jpeg_finish_compress(&encoder.jpeg);
    return true;
}

struct Destroyer {
    jpeg_compress_struct& jpeg;
    ~Destroyer() { jpeg_destroy_compress(&jpeg); }
};

[[noreturn]] void fail(const std::string& path, const std::string& why) {
    throw Failure(Exit::output, path + ": " + why + "; check the folder and the free space");
}

void check_sides(const Image& image) {
    if (image.width > JPEG_MAX_DIMENSION || image.height > JPEG_MAX_DIMENSION)
        throw Failure(Exit::input, std::to_string(image.width) + "x" + std::to_string(image.height) +
                                       " pixels are more than a JPEG can hold; scale the picture down first");
}

}  // namespace

void write_jpeg(std::FILE* file, const std::string& path, const Image& image) {
    check_sides(image);
    Encoder encoder{};
    const Destroyer destroyer{encoder.jpeg};
    errno = 0;
    if (!encode(encoder, file, image)) fail(path, errno != 0 ? std::strerror(errno) : encoder.message);
}

void save_jpeg(const std::string& path, const Image& image) {
    check_sides(image);
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) fail(path, std::strerror(errno));
    try {
        write_jpeg(file, path, image);
    } catch (const Failure&) {
        std::fclose(file);
        throw;
    }
    if (std::fclose(file) != 0) fail(path, std::strerror(errno));
}

MjpegWriter::MjpegWriter(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) throw Failure(Exit::output, path + ": " + std::strerror(errno));
}

// Each picture is written through to the file: a reader sees it at once, and closing has nothing
// left that could fail.
void MjpegWriter::add(const Image& image) { write_jpeg(file_.get(), path_, image); }

}  // namespace nnrun
