#pragma once

#include <cstddef>
#include <string>

#include "io/image.h"
#include "vision/draw_colour.h"

namespace nnrun {

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
