// What is drawn on pictures.

#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>
#include <set>
#include <string>

#include "io/image.h"
#include "vision/canvas.h"
#include "vision/draw.h"
#include "vision/objects.h"

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

TEST_CASE("every letter is its own") {
    std::set<std::string> glyphs;
    for (int letter = ' '; letter <= '~' + 1; ++letter) {
        std::string bits;
        for (int row = 0; row < nnrun::glyph_rows; ++row)
            for (int column = 0; column < nnrun::glyph_columns; ++column)
                bits += nnrun::glyph_bit(static_cast<char>(letter), column, row) ? '#' : ' ';
        CHECK((bits.find('#') == std::string::npos) == (letter == ' '));
        glyphs.insert(bits);
    }
    CHECK(glyphs.size() == 96);
    CHECK(nnrun::glyph_bit('\n', 0, 0));
    CHECK(nnrun::glyph_bit('\xC3', 4, 6));
    CHECK(!nnrun::glyph_bit('\xC3', 2, 2));
    CHECK(nnrun::text_width("caf\xC3\xA9") == nnrun::text_width("cafe"));
}

int luma(Colour colour) { return (299 * colour.red + 587 * colour.green + 114 * colour.blue) / 1000; }

TEST_CASE("colours differ and letters stand out") {
    std::set<int> seen;
    for (int index = 0; index < 80; ++index) {
        const Colour colour = nnrun::distinct_colour(index);
        seen.insert(colour.red << 16 | colour.green << 8 | colour.blue);
        CHECK(std::abs(luma(nnrun::readable_on(colour)) - luma(colour)) > 80);
    }
    CHECK(seen.size() == 80);
    nnrun::distinct_colour(std::numeric_limits<int>::max());
}

std::size_t red_pixels(const Image& image) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) count += image.pixels[i] >= 128 ? 1 : 0;
    return count;
}

TEST_CASE("shapes cover the pixels whose centres they hold") {
    Image image(10, 8);
    Canvas(image).fill({1, 2, 3, 4}, red);
    CHECK(red_pixels(image) == 4);
    CHECK(image.row(2)[3] == 255);
    CHECK(image.row(3)[6] == 255);
    CHECK(image.row(2)[9] == 0);
    Image framed(10, 8);
    Canvas(framed).frame({2, 2, 7, 6}, 1, red);
    CHECK(red_pixels(framed) == 14);
    CHECK(framed.row(3)[3 * 3] == 0);
    CHECK(framed.row(5)[3 * 6] == 255);
    Image crossed(10, 8);
    Canvas(crossed).line({0.5, 0.5}, {7.5, 7.5}, 1, red);
    for (int i = 0; i < 8; ++i) CHECK(crossed.row(i)[3 * i] == 255);
    CHECK(red_pixels(crossed) < 24);
    Image dotted(10, 8);
    Canvas(dotted).disc({5, 4}, 2, red);
    CHECK(red_pixels(dotted) == 12);
}

TEST_CASE("what lies outside is cut off") {
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
    CHECK(red_pixels(image) == 0);
    Canvas(image).line({-1e12, 4}, {1e12, 4}, 2, red);
    CHECK(red_pixels(image) == 20);
}

TEST_CASE("a tint covers the mask") {
    Image image(2, 3);
    nnrun::tint(image, mask_of(".##.#.", 3), 0.5, red);
    CHECK(image.row(1)[0] == 127);
    CHECK(image.row(2)[0] == 127);
    CHECK(image.row(1)[3] == 127);
    CHECK(image.row(0)[0] == 0);
    CHECK(image.row(0)[3] == 0);
    CHECK(image.row(2)[3] == 0);
    nnrun::tint(image, {}, 0.5, red);
    nnrun::tint(image, mask_of("......", 3), 0.5, red);
    CHECK(image.row(0)[0] == 0);
    CHECK(image.row(1)[0] == 127);
}

// Larger than a tile in both directions, and no multiple of plain.
TEST_CASE("a tint covers the mask in large pictures") {
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
    CHECK(wrong == 0);
}

TEST_CASE("text is as large as it says") {
    Image image(40, 30);
    Canvas(image).text({2, 3}, "H", 1, red);
    CHECK(red_pixels(image) == 17);
    CHECK(image.row(3)[6] == 255);
    CHECK(image.row(9)[3 * 6] == 255);
    CHECK(image.row(10)[6] == 0);
    Image large(40, 30);
    Canvas(large).text({2, 3}, "H", 3, red);
    // Corners are rounded, and a little soft.
    CHECK(red_pixels(large) > 17 * 9 - 40);
    CHECK(red_pixels(large) <= 17 * 9);
}

TEST_CASE("objects of every kind can be drawn") {
    nnrun::Object plain;
    plain.label = 900;
    plain.box = {-5, -5, 1000, 2};
    plain.keypoints.assign(17, {3, 4, 1});
    nnrun::Object tracked = plain;
    tracked.id = 2'000'000'000;
    tracked.keypoints.assign(3, {1e30f, -1e30f, 1});
    for (const int side : {1, 20, 300}) {
        Image image(side, side);
        nnrun::draw_objects(image, {plain, tracked}, {});
        nnrun::draw_objects(image, {plain, tracked}, {std::string(5000, 'm'), ""});
        CHECK(image.pixels != Image(side, side).pixels);
        Image untouched(side, side);
        nnrun::draw_objects(untouched, {}, {});
        CHECK(untouched.pixels == Image(side, side).pixels);
    }
}

}  // namespace
