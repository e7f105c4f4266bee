#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "io/image.h"

namespace nnrun {

struct Colour {
    std::uint8_t red;
    std::uint8_t green;
    std::uint8_t blue;
};

// A strong colour for each index from 0 on, unlike those of its neighbours: their hues are the
// golden ratio of a turn apart.
Colour distinct_colour(int index);

// Black or white, whichever is easier to read there.
Colour readable_on(Colour ground);

// A small font: each letter is five columns wide and seven rows high, with two more rows below the
// line for the likes of g and y.
constexpr int glyph_columns = 5;
constexpr int glyph_rows = 9;

// Is the glyph black there? What is not printable ASCII is a hollow box.
bool glyph_bit(char letter, int column, int row);

struct Point {
    double x;
    double y;
};

// From (x0, y0) to (x1, y1), edges at whole numbers.
struct Area {
    double x0;
    double y0;
    double x1;
    double y1;
};

// Paints on a picture. What lies outside of it is cut off, however far away it is.
class Canvas {
public:
    explicit Canvas(Image& image) : image_(image) {}

    void fill(const Area& area, Colour colour);
    // Inside the area, so that one as large as the picture is seen.
    void frame(const Area& area, double thickness, Colour colour);
    void line(Point from, Point to, double thickness, Colour colour);
    void disc(Point centre, double radius, Colour colour);
    // The top left corner of the first letter's cell is at `at`; a cell is 6 x 9 times the scale.
    void text(Point at, const std::string& words, double scale, Colour colour);

private:
    void span(int y, double from, double to, Colour colour);
    void glyph(Point at, char letter, double scale, Colour colour);

    Image& image_;
};

// Of text at scale 1, in pixels.
double text_width(const std::string& words);
extern const double text_height;

}  // namespace nnrun
