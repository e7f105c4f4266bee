#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include "core/failure.h"
#include "io/image.h"

namespace nnrun {
namespace {

// libjpeg leaves by longjmp, which must not cross a C++ object that owns something: all
// such objects live in the caller of the two functions that set the jump.
struct Decoder {
    jpeg_decompress_struct jpeg;
    jpeg_error_mgr errors;
    jpeg_progress_mgr progress;
    std::jmp_buf jump;
    char message[JMSG_LENGTH_MAX];
};

Decoder& decoder_of(j_common_ptr jpeg) { return *static_cast<Decoder*>(jpeg->client_data); }

[[noreturn]] void on_error(j_common_ptr jpeg) {
    Decoder& decoder = decoder_of(jpeg);
    jpeg->err->format_message(jpeg, decoder.message);
    std::longjmp(decoder.jump, 1);
}

// A few bytes are a scan, and each costs a pass over the whole picture. Encoders write about ten.
constexpr int max_scans = 100;
constexpr std::uint64_t max_scanned_pixels = 2'000'000'000;

void count_scans(j_common_ptr common) {
    const auto& jpeg = *reinterpret_cast<j_decompress_ptr>(common);
    const auto scans = static_cast<std::uint64_t>(jpeg.input_scan_number);
    const std::uint64_t pixels = static_cast<std::uint64_t>(jpeg.image_width) * jpeg.image_height;
    if (jpeg.input_scan_number <= max_scans && scans * pixels <= max_scanned_pixels) return;
    std::snprintf(decoder_of(common).message, JMSG_LENGTH_MAX, "more than %d scans; save it as a baseline JPEG",
                  jpeg.input_scan_number - 1);
    std::longjmp(decoder_of(common).jump, 1);
}

// Running out of bytes is a mere warning to libjpeg, which then makes up grey pixels.
void on_warning(j_common_ptr jpeg, int level) {
    if (level >= 0 || jpeg->err->msg_code != JWRN_JPEG_EOF) return;
    std::snprintf(decoder_of(jpeg).message, JMSG_LENGTH_MAX, "the file is truncated");
    std::longjmp(decoder_of(jpeg).jump, 1);
}

bool open(Decoder& decoder, const std::vector<unsigned char>& bytes) {
    decoder.jpeg.err = jpeg_std_error(&decoder.errors);
    decoder.errors.error_exit = on_error;
    decoder.errors.emit_message = on_warning;
    decoder.jpeg.client_data = &decoder;
    if (setjmp(decoder.jump) != 0) return false;
    jpeg_create_decompress(&decoder.jpeg);
    decoder.jpeg.client_data = &decoder;
    decoder.progress.progress_monitor = count_scans;
    decoder.jpeg.progress = &decoder.progress;
    jpeg_save_markers(&decoder.jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(&decoder.jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&decoder.jpeg, TRUE);
    const bool four = decoder.jpeg.num_components == 4;
    decoder.jpeg.out_color_space = four ? JCS_CMYK : decoder.jpeg.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    return true;
}

int orientation_of(const jpeg_decompress_struct& jpeg) {
    constexpr char exif[] = "Exif\0";
    for (jpeg_saved_marker_ptr marker = jpeg.marker_list; marker != nullptr; marker = marker->next)
        if (marker->data_length > sizeof exif && std::memcmp(marker->data, exif, sizeof exif) == 0)
            return exif_orientation(marker->data + sizeof exif, marker->data_length - sizeof exif);
    return 1;
}

std::uint8_t less_ink(int light, int ink) {
    const int product = light * ink + 128;
    const int value = light - ((product + (product >> 8)) >> 8);
    return static_cast<std::uint8_t>(value < 0 ? 0 : value);
}

// Adobe stores CMYK inverted, and like Pillow we take every CMYK JPEG for Adobe's.
void to_rgb(const unsigned char* from, int components, std::uint8_t* to) {
    if (components == 1) std::memset(to, *from, 3);
    if (components == 4)
        for (int i = 0; i < 3; ++i) to[i] = less_ink(from[3], 255 - from[i]);
}

// `samples` has room for a row of another kind than R, G, B.
bool read_rows(Decoder& decoder, unsigned char* samples, int components, Image& image) {
    if (setjmp(decoder.jump) != 0) return false;
    jpeg_start_decompress(&decoder.jpeg);
    while (decoder.jpeg.output_scanline < decoder.jpeg.output_height) {
        std::uint8_t* to = image.row(static_cast<int>(decoder.jpeg.output_scanline));
        JSAMPROW row = components == 3 ? to : samples;
        jpeg_read_scanlines(&decoder.jpeg, &row, 1);
        if (components == 3) continue;
        for (int x = 0; x < image.width; ++x) to_rgb(samples + x * components, components, to + 3 * x);
    }
    return true;
}

std::uint64_t blocks_of(const jpeg_decompress_struct& jpeg) {
    std::uint64_t blocks = 0;
    for (int i = 0; i < jpeg.num_components; ++i)
        blocks += static_cast<std::uint64_t>(jpeg.comp_info[i].width_in_blocks) * jpeg.comp_info[i].height_in_blocks;
    return blocks;
}

// Pixels, those of the upright copy, and all coefficients where the scans are gathered first.
std::uint64_t memory_of(jpeg_decompress_struct& jpeg, int orientation) {
    const std::uint64_t pixels = static_cast<std::uint64_t>(jpeg.image_width) * jpeg.image_height;
    const std::uint64_t gathered = jpeg_has_multiple_scans(&jpeg) ? blocks_of(jpeg) * DCTSIZE2 * sizeof(JCOEF) : 0;
    return pixels * (orientation > 1 ? 6 : 3) + gathered;
}

// Before anything of its size is allocated.
void check(jpeg_decompress_struct& jpeg, std::size_t bytes) {
    const std::uint64_t width = jpeg.image_width;
    const std::uint64_t height = jpeg.image_height;
    check_size(width, height);
    // In Huffman's code a block takes a bit or more.
    if (!jpeg.arith_code) check_content(width, height, blocks_of(jpeg) / 8, bytes);
    check_memory(width, height, memory_of(jpeg, orientation_of(jpeg)));
}

struct Destroyer {
    jpeg_decompress_struct& jpeg;
    ~Destroyer() { jpeg_destroy_decompress(&jpeg); }
};

[[noreturn]] void fail(const Decoder& decoder) { throw Failure(Exit::input, std::string("JPEG: ") + decoder.message); }

}  // namespace

void decode_jpeg(const std::vector<unsigned char>& bytes, Image& image) {
    Decoder decoder{};
    const Destroyer destroyer{decoder.jpeg};
    if (!open(decoder, bytes)) fail(decoder);
    check(decoder.jpeg, bytes.size());
    const int stored = decoder.jpeg.num_components;
    const int components = stored == 4 || stored == 1 ? stored : 3;
    image.reshape(static_cast<int>(decoder.jpeg.image_width), static_cast<int>(decoder.jpeg.image_height));
    std::vector<unsigned char> samples(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(components));
    if (!read_rows(decoder, samples.data(), components, image)) fail(decoder);
    apply_orientation(image, orientation_of(decoder.jpeg));
}

}  // namespace nnrun
