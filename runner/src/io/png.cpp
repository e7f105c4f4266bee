#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "core/failure.h"
#include "io/image.h"

namespace nnrun {
namespace {

// As in jpeg.cpp: libpng leaves by longjmp, so nothing that owns memory lives below it.
struct Decoder {
    const unsigned char* next;
    std::size_t left;
    png_structp png;
    png_infop info;
    char message[128];
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
    auto& decoder = *static_cast<Decoder*>(png_get_error_ptr(png));
    std::snprintf(decoder.message, sizeof decoder.message, "%s", message);
    png_longjmp(png, 1);
}

void ignore(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep to, std::size_t size) {
    auto& decoder = *static_cast<Decoder*>(png_get_io_ptr(png));
    if (size > decoder.left) png_error(png, "the file is truncated");
    std::memcpy(to, decoder.next, size);
    decoder.next += size;
    decoder.left -= size;
}

bool open(Decoder& decoder) {
    decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, on_error, ignore);
    if (decoder.png == nullptr) return false;
    if (setjmp(png_jmpbuf(decoder.png)) != 0) return false;
    decoder.info = png_create_info_struct(decoder.png);
    png_set_read_fn(decoder.png, &decoder, read_bytes);
    // Our own limit, which names the size, comes after this call.
    png_set_user_limits(decoder.png, 0x7FFFFFFF, 0x7FFFFFFF);
    png_read_info(decoder.png, decoder.info);
    return true;
}

bool read_rows(Decoder& decoder, png_bytepp rows) {
    if (setjmp(png_jmpbuf(decoder.png)) != 0) return false;
    png_set_strip_16(decoder.png);
    png_set_expand(decoder.png);
    png_set_strip_alpha(decoder.png);
    png_set_gray_to_rgb(decoder.png);
    png_set_interlace_handling(decoder.png);
    png_read_update_info(decoder.png, decoder.info);
    png_read_image(decoder.png, rows);
    png_read_end(decoder.png, decoder.info);
    return true;
}

int orientation_of(const Decoder& decoder) {
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(decoder.png, decoder.info, &size, &exif) == 0) return 1;
    return exif_orientation(exif, size);
}

// Before anything of its size is allocated. Deflate makes 1032 bytes of one at most.
void check(const Decoder& decoder, std::uint64_t width, std::uint64_t height, std::size_t bytes) {
    check_size(width, height);
    check_content(width, height, png_get_rowbytes(decoder.png, decoder.info) * height / 1032, bytes);
    check_memory(width, height, width * height * (orientation_of(decoder) > 1 ? 6 : 3));
}

// A chunk's length is only a claim, which libpng allocates for some of them.
void check_chunks(const std::vector<unsigned char>& bytes) {
    constexpr std::size_t frame = 12;  // length, type and checksum
    for (std::size_t at = 8; at + frame <= bytes.size();) {
        const std::size_t length = static_cast<std::size_t>(bytes[at]) << 24 | static_cast<std::size_t>(bytes[at + 1]) << 16 |
                                   static_cast<std::size_t>(bytes[at + 2]) << 8 | bytes[at + 3];
        if (length > bytes.size() - at - frame) throw Failure(Exit::input, "PNG: the file is truncated");
        if (std::memcmp(bytes.data() + at + 4, "IEND", 4) == 0) return;
        at += frame + length;
    }
}

struct Destroyer {
    Decoder& decoder;
    ~Destroyer() { png_destroy_read_struct(&decoder.png, &decoder.info, nullptr); }
};

[[noreturn]] void fail(const Decoder& decoder) { throw Failure(Exit::input, std::string("PNG: ") + decoder.message); }

}  // namespace

void decode_png(const std::vector<unsigned char>& bytes, Image& image) {
    check_chunks(bytes);
    Decoder decoder{bytes.data(), bytes.size(), nullptr, nullptr, "not enough memory"};
    const Destroyer destroyer{decoder};
    if (!open(decoder)) fail(decoder);
    const png_uint_32 width = png_get_image_width(decoder.png, decoder.info);
    const png_uint_32 height = png_get_image_height(decoder.png, decoder.info);
    check(decoder, width, height, bytes.size());
    image.reshape(static_cast<int>(width), static_cast<int>(height));
    std::vector<png_bytep> rows;
    for (int y = 0; y < image.height; ++y) rows.push_back(image.row(y));
    if (!read_rows(decoder, rows.data())) fail(decoder);
    apply_orientation(image, orientation_of(decoder));
}

}  // namespace nnrun
