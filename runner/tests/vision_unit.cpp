// Masks, keypoints and drawing: what needs neither a net nor a picture. Exit code 0 means that all
// of it holds.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "core/failure.h"
#include "expected.h"
#include "io/image.h"
#include "io/jpeg_writer.h"
#include "vision/canvas.h"
#include "vision/draw.h"
#include "vision/mask.h"
#include "vision/objects.h"
#include "vision/pose.h"

namespace {

std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
    ++allocations;
    if (void* const memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using nnrun::Canvas;
using nnrun::Colour;
using nnrun::Image;

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
constexpr Colour red{255, 0, 0};

nnrun::Mask mask_of(const std::string& columns, int height) {
    nnrun::Mask mask{static_cast<int>(columns.size()) / height, height, {}};
    nnrun::MaskPen pen(mask);
    for (const char pixel : columns) pen.put(pixel == '#', 1);
    return mask;
}

// The strings are those of pycocotools.mask.encode.
void runs_are_cocos() {
    EXPECT((mask_of("....", 2).runs == std::vector<std::uint32_t>{4}));
    EXPECT((mask_of("####", 2).runs == std::vector<std::uint32_t>{0, 4}));
    EXPECT((mask_of(".##.#.", 3).runs == std::vector<std::uint32_t>{1, 2, 1, 1, 1}));
    EXPECT(nnrun::area(mask_of(".##.#.", 3)) == 3 && nnrun::area(mask_of("...", 3)) == 0);
    EXPECT(nnrun::compressed(mask_of("....", 2)) == "4");
    EXPECT(nnrun::compressed(mask_of("####", 2)) == "04");
    nnrun::Mask vast{10000, 10000, {}};
    nnrun::MaskPen pen(vast);
    pen.put(false, 100'000'000);
    EXPECT(nnrun::compressed(vast) == "PXh[o2");
}

// Values of both signs, which are the same each time.
ncnn::Mat made_up(int channels, int rows, int columns) {
    ncnn::Mat blob(columns, rows, channels);
    for (int c = 0; c < channels; ++c)
        for (int i = 0; i < rows * columns; ++i) blob.channel(c)[i] = static_cast<float>((i * 7 + c * 5) % 11 - 5);
    return blob;
}

// Two prototypes of 2 x 2 over an input of 4 x 4, which shows a picture of 8 x 8.
nnrun::Mask decoded(const std::vector<float>& coefficients, const nnrun::Box& box) {
    ncnn::Mat prototypes(2, 2, 2);
    const float values[2][4] = {{1, -1, 1, -1}, {1, 1, -1, -1}};
    for (int c = 0; c < 2; ++c)
        for (int i = 0; i < 4; ++i) prototypes.channel(c)[i] = values[c][i];
    const nnrun::Placing placing{8, 8, {8, 4, 0, 0}, {8, 4, 0, 0}};
    nnrun::MaskDecoder decode(4, 4);
    nnrun::Mask mask;
    decode(prototypes, coefficients, placing, box, mask);
    return mask;
}

void masks_are_where_the_sum_is_positive() {
    EXPECT((decoded({1, 0}, {0, 0, 8, 8}).runs == std::vector<std::uint32_t>{0, 32, 32}));
    EXPECT((decoded({0, 1}, {0, 0, 2, 8}).runs == std::vector<std::uint32_t>{0, 4, 4, 4, 52}));
    EXPECT((decoded({0, -1}, {7, 0, 8, 8}).runs == std::vector<std::uint32_t>{60, 4}));
    EXPECT((decoded({0, 0}, {0, 0, 8, 8}).runs == std::vector<std::uint32_t>{64}));
    // The centre of a pixel decides whether it is in the box.
    EXPECT((decoded({1, 0}, {1.5f, 2.5f, 2.5f, 4.6f}).runs == std::vector<std::uint32_t>{10, 3, 51}));
    EXPECT((decoded({1, 0}, {1.6f, 0, 2.4f, 8}).runs == std::vector<std::uint32_t>{64}));
    EXPECT((decoded({1, 0}, {0, 1.6f, 8, 2.4f}).runs == std::vector<std::uint32_t>{64}));
}

const nnrun::Placing as_it_is{100, 100, {}, {}};

template <typename Act>
std::size_t allocations_of(const Act& act) {
    const std::size_t before = allocations;
    act();
    return allocations - before;
}

void the_same_picture_again_takes_no_memory() {
    const ncnn::Mat maps = made_up(17, 12, 9);
    const ncnn::Mat prototypes = made_up(3, 8, 8);
    const nnrun::Placing placing{64, 64, {64, 32, 0, 0}, {64, 32, 0, 0}};
    const std::vector<float> coefficients{1, -2, 3};
    nnrun::MaskDecoder decode(32, 32);
    nnrun::SpareObjects spare;
    std::vector<nnrun::Object> objects;
    const auto picture = [&] {
        spare.keep(objects);
        for (const float size : {64.0f, 40.0f, 9.0f}) {
            objects.push_back(spare.take());
            decode(prototypes, coefficients, placing, {0, 0, size, size}, objects.back().mask);
            nnrun::read_heatmaps(maps, 48, 36, placing, objects.back().keypoints);
        }
    };
    EXPECT(allocations_of(picture) > 6);
    const std::vector<std::uint32_t> runs = objects[0].mask.runs;
    EXPECT(allocations_of(picture) <= objects.size());  // the list of spare ones grows
    EXPECT(allocations_of(picture) == 0);
    EXPECT(objects.size() == 3 && objects[0].mask.runs == runs && objects[0].keypoints.size() == 17);
}

void a_spare_object_is_like_a_new_one() {
    nnrun::SpareObjects spare;
    std::vector<nnrun::Object> objects(1);
    objects[0].keypoints.resize(5);
    objects[0].mask = {2, 2, {1, 3}};
    objects[0].id = 7;
    spare.keep(objects);
    EXPECT(objects.empty());
    const nnrun::Object again = spare.take();
    EXPECT(again.keypoints.empty() && again.keypoints.capacity() >= 5);
    EXPECT(again.mask.runs.empty() && again.mask.width == 0 && again.id == -1 && again.place == -1);
    EXPECT(spare.take().keypoints.capacity() == 0);
}

void simcc_takes_the_largest_bin() {
    ncnn::Mat x(8, 2);
    ncnn::Mat y(6, 2);
    x.fill(0.0f);
    y.fill(0.0f);
    x.row(0)[3] = 0.9f;
    y.row(0)[5] = 0.7f;
    x.row(1)[1] = x.row(1)[2] = 0.5f;
    std::vector<nnrun::Keypoint> points;
    nnrun::read_simcc(x, y, 2, as_it_is, points);
    EXPECT(points.size() == 2 && points[0].x == 1.5f && points[0].y == 2.5f && points[0].score == 0.7f);
    EXPECT(points[1].x == 0.5f && points[1].y == 0 && points[1].score == 0);
}

void a_heatmap_leans_to_the_larger_neighbour() {
    ncnn::Mat maps(4, 3, 2);
    maps.fill(0.0f);
    maps.channel(0).row(1)[2] = 1;
    maps.channel(0).row(1)[1] = 0.5f;
    maps.channel(0).row(2)[2] = 0.25f;
    maps.channel(1).row(0)[3] = 2;
    std::vector<nnrun::Keypoint> points;
    nnrun::read_heatmaps(maps, 12, 16, as_it_is, points);
    EXPECT(points.size() == 2 && points[0].x == 7 && points[0].y == 5 && points[0].score == 1);
    EXPECT(points[1].x == 12 && points[1].y == 0 && points[1].score == 2);
}

void every_letter_is_its_own() {
    std::set<std::string> glyphs;
    for (int letter = ' '; letter <= '~' + 1; ++letter) {
        std::string bits;
        for (int row = 0; row < nnrun::glyph_rows; ++row)
            for (int column = 0; column < nnrun::glyph_columns; ++column)
                bits += nnrun::glyph_bit(static_cast<char>(letter), column, row) ? '#' : ' ';
        EXPECT((bits.find('#') == std::string::npos) == (letter == ' '));
        glyphs.insert(bits);
    }
    EXPECT(glyphs.size() == 96);
    EXPECT(nnrun::glyph_bit('\n', 0, 0) && nnrun::glyph_bit('\xC3', 4, 6) && !nnrun::glyph_bit('\xC3', 2, 2));
    EXPECT(nnrun::text_width("caf\xC3\xA9") == nnrun::text_width("cafe"));
}

int luma(Colour colour) { return (299 * colour.red + 587 * colour.green + 114 * colour.blue) / 1000; }

void colours_differ_and_letters_stand_out() {
    std::set<int> seen;
    for (int index = 0; index < 80; ++index) {
        const Colour colour = nnrun::distinct_colour(index);
        seen.insert(colour.red << 16 | colour.green << 8 | colour.blue);
        EXPECT(std::abs(luma(nnrun::readable_on(colour)) - luma(colour)) > 80);
    }
    EXPECT(seen.size() == 80);
    nnrun::distinct_colour(std::numeric_limits<int>::max());
}

std::size_t red_pixels(const Image& image) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) count += image.pixels[i] >= 128 ? 1 : 0;
    return count;
}

void shapes_cover_the_pixels_whose_centres_they_hold() {
    Image image(10, 8);
    Canvas(image).fill({1, 2, 3, 4}, red);
    EXPECT(red_pixels(image) == 4 && image.row(2)[3] == 255 && image.row(3)[6] == 255 && image.row(2)[9] == 0);
    Image framed(10, 8);
    Canvas(framed).frame({2, 2, 7, 6}, 1, red);
    EXPECT(red_pixels(framed) == 14 && framed.row(3)[3 * 3] == 0 && framed.row(5)[3 * 6] == 255);
    Image crossed(10, 8);
    Canvas(crossed).line({0.5, 0.5}, {7.5, 7.5}, 1, red);
    for (int i = 0; i < 8; ++i) EXPECT(crossed.row(i)[3 * i] == 255);
    EXPECT(red_pixels(crossed) < 24);
    Image dotted(10, 8);
    Canvas(dotted).disc({5, 4}, 2, red);
    EXPECT(red_pixels(dotted) == 12);
}

void what_lies_outside_is_cut_off() {
    const double far_away[] = {-1e30, -1, 3, 100, 1e30, infinite, -infinite, no_number};
    for (const double a : far_away)
        for (const double b : far_away) {
            Image image(10, 8);
            Canvas canvas(image);
            canvas.line({a, 2}, {3, b}, 2, red);
            canvas.line({a, a}, {b, b}, 1e9, red);
            canvas.disc({a, b}, 3, red);
            canvas.frame({a, 1, b, 5}, 2, red);
            canvas.text({a, b}, "gone", 2, red);
        }
    Image image(10, 8);
    Canvas(image).frame({-50, -50, 50, 50}, 2, red);
    Canvas(image).line({-50, -50}, {-50, 50}, 3, red);
    EXPECT(red_pixels(image) == 0);
    Canvas(image).line({-1e12, 4}, {1e12, 4}, 2, red);
    EXPECT(red_pixels(image) == 20);
}

void a_tint_is_the_masks() {
    Image image(2, 3);
    nnrun::tint(image, mask_of(".##.#.", 3), 0.5, red);
    EXPECT(image.row(1)[0] == 127 && image.row(2)[0] == 127 && image.row(1)[3] == 127);
    EXPECT(image.row(0)[0] == 0 && image.row(0)[3] == 0 && image.row(2)[3] == 0);
    nnrun::tint(image, {}, 0.5, red);
    nnrun::tint(image, mask_of("......", 3), 0.5, red);
    EXPECT(image.row(0)[0] == 0 && image.row(1)[0] == 127);
}

// Larger than a tile in both directions, and no multiple of one.
void a_tint_is_the_masks_in_large_pictures() {
    Image image(133, 201);
    std::string columns;
    for (int x = 0; x < image.width; ++x)
        for (int y = 0; y < image.height; ++y) columns += (x * 7 + y * y / 5) % 11 < 4 || x == 100 ? '#' : '.';
    nnrun::tint(image, mask_of(columns, image.height), 1, red);
    std::size_t wrong = 0;
    for (int x = 0; x < image.width; ++x)
        for (int y = 0; y < image.height; ++y) {
            const bool inside = columns[static_cast<std::size_t>(x * image.height + y)] == '#';
            if (image.row(y)[3 * x] != (inside ? 255 : 0)) ++wrong;
        }
    EXPECT(wrong == 0);
}

void text_is_as_large_as_it_says() {
    Image image(40, 30);
    Canvas(image).text({2, 3}, "H", 1, red);
    EXPECT(red_pixels(image) == 17 && image.row(3)[6] == 255 && image.row(9)[3 * 6] == 255 && image.row(10)[6] == 0);
    Image large(40, 30);
    Canvas(large).text({2, 3}, "H", 3, red);
    // Corners are rounded, and a little soft.
    EXPECT(red_pixels(large) > 17 * 9 - 40 && red_pixels(large) <= 17 * 9);
}

void objects_of_every_kind_can_be_drawn() {
    nnrun::Object one;
    one.label = 900;
    one.box = {-5, -5, 1000, 2};
    one.keypoints.assign(17, {3, 4, 1});
    nnrun::Object other = one;
    other.id = 2'000'000'000;
    other.keypoints.assign(3, {1e30f, -1e30f, 1});
    for (const int side : {1, 20, 300}) {
        Image image(side, side);
        nnrun::draw_objects(image, {one, other}, {});
        nnrun::draw_objects(image, {one, other}, {std::string(5000, 'm'), ""});
        EXPECT(image.pixels != Image(side, side).pixels);
        Image untouched(side, side);
        nnrun::draw_objects(untouched, {}, {});
        EXPECT(untouched.pixels == Image(side, side).pixels);
    }
}

struct Temporary {
    std::FILE* file = std::tmpfile();
    ~Temporary() { std::fclose(file); }

    std::vector<unsigned char> bytes() const {
        std::vector<unsigned char> read(static_cast<std::size_t>(std::ftell(file)));
        std::rewind(file);
        EXPECT(std::fread(read.data(), 1, read.size(), file) == read.size());
        return read;
    }
};

Image gradient(int width, int height) {
    Image image(width, height);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
            image.row(y)[3 * x] = static_cast<std::uint8_t>(x * 255 / width);
            image.row(y)[3 * x + 1] = static_cast<std::uint8_t>(y * 255 / height);
        }
    return image;
}

void a_jpeg_is_read_as_it_was_written() {
    const Image image = gradient(61, 35);
    const Temporary temporary;
    nnrun::write_jpeg(temporary.file, "it", image);
    Image read;
    nnrun::decode_jpeg(temporary.bytes(), read);
    EXPECT(read.width == 61 && read.height == 35);
    int worst = 0;
    for (std::size_t i = 0; i < image.pixels.size(); ++i) worst = std::max(worst, std::abs(image.pixels[i] - read.pixels[i]));
    EXPECT(worst < 16);
}

template <typename Act>
nnrun::Exit code_of(const Act& act) {
    try {
        act();
    } catch (const nnrun::Failure& failure) {
        return failure.code;
    }
    return nnrun::Exit::ok;
}

void what_cannot_be_written_is_told() {
    using nnrun::Exit;
    EXPECT(code_of([] { nnrun::save_jpeg("/no such folder/a.jpg", Image(2, 2)); }) == Exit::output);
    EXPECT(code_of([] { nnrun::save_jpeg("/dev/full", Image(2, 2)); }) == Exit::output);
    EXPECT(code_of([] { nnrun::save_jpeg("/dev/null", Image(65501, 1)); }) == Exit::input);
    EXPECT(code_of([] { nnrun::save_jpeg("/dev/null", Image(65500, 1)); }) == Exit::ok);
    EXPECT(code_of([] { nnrun::MjpegWriter("/no such folder/a.mjpeg"); }) == Exit::output);
    EXPECT(code_of([] { nnrun::MjpegWriter("/dev/full").add(Image(2, 2)); }) == Exit::output);
}

}  // namespace

int main() {
    runs_are_cocos();
    masks_are_where_the_sum_is_positive();
    the_same_picture_again_takes_no_memory();
    a_spare_object_is_like_a_new_one();
    simcc_takes_the_largest_bin();
    a_heatmap_leans_to_the_larger_neighbour();
    every_letter_is_its_own();
    colours_differ_and_letters_stand_out();
    shapes_cover_the_pixels_whose_centres_they_hold();
    what_lies_outside_is_cut_off();
    a_tint_is_the_masks();
    a_tint_is_the_masks_in_large_pictures();
    text_is_as_large_as_it_says();
    objects_of_every_kind_can_be_drawn();
    a_jpeg_is_read_as_it_was_written();
    what_cannot_be_written_is_told();
    return failures == 0 ? 0 : 1;
}
