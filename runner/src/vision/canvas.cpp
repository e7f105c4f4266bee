#include "vision/canvas.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nnrun {
namespace {

constexpr double golden_turn = 0.6180339887498949;
constexpr double first_hue = 0.04;

// Of a hue (0..1), how much there is of the primary colour whose own hue is `peak` sixths.
double share(double hue, double peak) {
    const double distance = std::fabs(std::remainder(hue * 6 - peak, 6.0));
    return std::clamp(2 - distance, 0.0, 1.0);
}

std::uint8_t level(double share) {
    constexpr double darkest = 40;
    constexpr double brightest = 245;
    return static_cast<std::uint8_t>(darkest + (brightest - darkest) * share);
}

}  // namespace

Colour distinct_colour(int index) {
    const double turns = first_hue + index * golden_turn;
    const double hue = turns - std::floor(turns);
    return {level(share(hue, 0)), level(share(hue, 2)), level(share(hue, 4))};
}

Colour readable_on(Colour ground) {
    // Luma of ITU-R BT.601.
    const int luma = (299 * ground.red + 587 * ground.green + 114 * ground.blue) / 1000;
    return luma > 120 ? Colour{0, 0, 0} : Colour{255, 255, 255};
}

namespace {

constexpr int pitch = glyph_columns + 1;
constexpr int glyphs_a_line = 16;

// The printable ASCII characters, sixteen side by side; the last one stands for all others.
// clang-format off
constexpr const char* sheet[] = {
    "        #    # #   # #    #   ##  #  ##     #      #   #                                      #",
    "        #    # #   # #   #### ##  # #  #    #     #     #     #     #                         #",
    "        #    # #  ##### # #      #  # #     #    #       #  # # #   #                        # ",
    "        #          # #   ###    #    #           #       #   ###  #####       #####         #  ",
    "        #         #####   # #  #    # # #        #       #  # # #   #                      #   ",
    "                   # #  ####  #  ## #  #          #     #     #     #                ##   #    ",
    "        #          # #    #   #  ##  ## #          #   #                  ##         ##   #    ",
    "                                                                           #                   ",
    "                                                                          #                    ",
    " ###    #    ###  #####    #  #####   ##  #####  ###   ###                  #       #      ### ",
    "#   #  ##   #   #    #    ##  #      #        # #   # #   #  ##     ##     #         #    #   #",
    "#  ##   #       #   #    # #  ####  #        #  #   # #   #  ##     ##    #   #####   #       #",
    "# # #   #      #     #  #  #      # ####    #    ###   ####              #             #     # ",
    "##  #   #     #       # #####     # #   #   #   #   #     #               #   #####   #     #  ",
    "#   #   #    #    #   #    #  #   # #   #  #    #   #    #   ##            #         #         ",
    " ###   ###  #####  ###     #   ###   ###   #     ###   ##    ##     ##      #       #       #  ",
    "                                                                     #                         ",
    "                                                                    #                          ",
    " ###   ###  ####   ###  ####  ##### #####  ###  #   #  ###      # #   # #     #   # #   #  ### ",
    "#   # #   # #   # #   # #   # #     #     #   # #   #   #       # #  #  #     ## ## #   # #   #",
    "# ### #   # #   # #     #   # #     #     #     #   #   #       # # #   #     # # # ##  # #   #",
    "# # # ##### ####  #     #   # ####  ####  # ### #####   #       # ##    #     # # # # # # #   #",
    "# ### #   # #   # #     #   # #     #     #   # #   #   #   #   # # #   #     #   # #  ## #   #",
    "#     #   # #   # #   # #   # #     #     #   # #   #   #   #   # #  #  #     #   # #   # #   #",
    " #### #   # ####   ###  ####  ##### #      #### #   #  ###   ###  #   # ##### #   # #   #  ### ",
    "                                                                                               ",
    "                                                                                               ",
    "####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####  ###  #      ###    #        ",
    "#   # #   # #   # #       #   #   # #   # #   # #   # #   #     #  #    #        #   # #       ",
    "#   # #   # #   # #       #   #   # #   # #   #  # #   # #     #   #     #       #  #   #      ",
    "####  #   # ####   ###    #   #   # #   # # # #   #     #     #    #      #      #             ",
    "#     # # # # #       #   #   #   # #   # # # #  # #    #    #     #       #     #             ",
    "#     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #      #        #    #             ",
    "#      ## # #   # ####    #    ###    #   #   # #   #   #   #####  ###      #  ###             ",
    "                                                                                          #####",
    "                                                                                               ",
    " #          #               #         ##        #       #      #  #      ##                    ",
    "  #         #               #        #          #                 #       #                    ",
    "   #   ###  ####   ####  ####  ###  ####   #### ####   ##     ##  #  #    #   ## #  ####   ### ",
    "          # #   # #     #   # #   #  #    #   # #   #   #      #  # #     #   # # # #   # #   #",
    "       #### #   # #     #   # #####  #    #   # #   #   #      #  ##      #   # # # #   # #   #",
    "      #   # #   # #     #   # #      #    #   # #   #   #      #  # #     #   # # # #   # #   #",
    "       #### ####   ####  ####  ####  #     #### #   #  ###     #  #  #   ###  # # # #   #  ### ",
    "                                              #                #                               ",
    "                                           ###               ##                                ",
    "                         #                                           ##   #   ##          #####",
    "                         #                                          #     #     #         #   #",
    "####   #### # ##   #### ####  #   # #   # #   # #   # #   # #####   #     #     #    #    #   #",
    "#   # #   # ##    #      #    #   # #   # # # #  # #  #   #    #   #      #      #  # # # #   #",
    "#   # #   # #      ###   #    #   # #   # # # #   #   #   #   #     #     #     #      #  #   #",
    "#   # #   # #         #  #    #   #  # #  # # #  # #  #   #  #      #     #     #         #   #",
    "####   #### #     ####    ##   ####   #    # #  #   #  #### #####    ##   #   ##          #####",
    "#         #                                               #                                    ",
    "#         #                                            ###                                     ",
};
// clang-format on

}  // namespace

bool glyph_bit(char letter, int column, int row) {
    const int code = static_cast<unsigned char>(letter);
    const int index = code >= ' ' && code <= '~' ? code - ' ' : '~' + 1 - ' ';
    const char* const line = sheet[index / glyphs_a_line * glyph_rows + row];
    return line[index % glyphs_a_line * pitch + column] == '#';
}

namespace {

struct Span {
    int first;
    int last;  // not part of it
};

// The pixels of 0..length - 1 whose centres lie in [from, to); none if one of the two is NaN.
Span pixels(double from, double to, int length) {
    const auto edge = [most = static_cast<double>(length)](double at) {
        return at > 0 ? static_cast<int>(std::min(std::ceil(at - 0.5), most)) : 0;
    };
    return {from == from ? edge(from) : length, edge(to)};
}

bool finite(Point point) { return std::isfinite(point.x) && std::isfinite(point.y); }

void mix(std::uint8_t* pixel, Colour colour, double share) {
    const int part = static_cast<int>(share * 256);
    const auto mixed = [&](int old, int added) { return static_cast<std::uint8_t>((old * (256 - part) + added * part) >> 8); };
    pixel[0] = mixed(pixel[0], colour.red);
    pixel[1] = mixed(pixel[1], colour.green);
    pixel[2] = mixed(pixel[2], colour.blue);
}

// Where the line at height y crosses the sides of a four-sided shape: its part within.
struct Crossing {
    double from = std::numeric_limits<double>::infinity();
    double to = -std::numeric_limits<double>::infinity();
};

Crossing crossing(const Point (&corners)[4], double y) {
    Crossing range;
    for (int i = 0; i < 4; ++i) {
        const Point& a = corners[i];
        const Point& b = corners[(i + 1) % 4];
        if ((a.y <= y) == (b.y <= y)) continue;
        const double x = a.x + (b.x - a.x) * ((y - a.y) / (b.y - a.y));
        range.from = std::min(range.from, x);
        range.to = std::max(range.to, x);
    }
    return range;
}

double bit(char letter, int column, int row) {
    const bool inside = column >= 0 && column < glyph_columns && row >= 0 && row < glyph_rows;
    return inside && glyph_bit(letter, column, row) ? 1 : 0;
}

// How black a glyph is between the middles of its bits. Where two of four bits touch only at their
// corners there is a diagonal stroke, as wide as the others.
double blackness(char letter, double x, double y) {
    const double left = std::floor(x - 0.5);
    const double top = std::floor(y - 0.5);
    const int column = static_cast<int>(left);
    const int row = static_cast<int>(top);
    const double across = x - 0.5 - left;
    const double down = y - 0.5 - top;
    const double a = bit(letter, column, row);
    const double b = bit(letter, column + 1, row);
    const double c = bit(letter, column, row + 1);
    const double d = bit(letter, column + 1, row + 1);
    if (a == d && b == c && a != b) return 1 - std::fabs(a > b ? across - down : across + down - 1);
    return (a * (1 - across) + b * across) * (1 - down) + (c * (1 - across) + d * across) * down;
}

// In UTF-8, where each letter is drawn once.
bool begins_letter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

constexpr double cell_width = glyph_columns + 1;

}  // namespace

const double text_height = glyph_rows;

void Canvas::span(int y, double from, double to, Colour colour) {
    const Span across = pixels(from, to, image_.width);
    std::uint8_t* pixel = image_.row(y) + 3 * across.first;
    for (int x = across.first; x < across.last; ++x, pixel += 3) {
        pixel[0] = colour.red;
        pixel[1] = colour.green;
        pixel[2] = colour.blue;
    }
}

void Canvas::fill(const Area& area, Colour colour) {
    const Span down = pixels(area.y0, area.y1, image_.height);
    for (int y = down.first; y < down.last; ++y) span(y, area.x0, area.x1, colour);
}

void Canvas::frame(const Area& area, double thickness, Colour colour) {
    fill({area.x0, area.y0, area.x1, area.y0 + thickness}, colour);
    fill({area.x0, area.y1 - thickness, area.x1, area.y1}, colour);
    fill({area.x0, area.y0, area.x0 + thickness, area.y1}, colour);
    fill({area.x1 - thickness, area.y0, area.x1, area.y1}, colour);
}

void Canvas::line(Point from, Point to, double thickness, Colour colour) {
    const double length = std::hypot(to.x - from.x, to.y - from.y);
    if (!std::isfinite(length)) return;
    disc(from, thickness / 2, colour);
    disc(to, thickness / 2, colour);
    if (length == 0) return;
    const double x = (from.y - to.y) / length * thickness / 2;
    const double y = (to.x - from.x) / length * thickness / 2;
    const Point corners[4] = {{from.x + x, from.y + y}, {to.x + x, to.y + y}, {to.x - x, to.y - y}, {from.x - x, from.y - y}};
    const double reach = std::fabs(y);
    const Span down = pixels(std::min(from.y, to.y) - reach, std::max(from.y, to.y) + reach, image_.height);
    for (int row = down.first; row < down.last; ++row) {
        const Crossing within = crossing(corners, row + 0.5);
        span(row, within.from, within.to, colour);
    }
}

void Canvas::disc(Point centre, double radius, Colour colour) {
    if (!finite(centre)) return;
    const Span down = pixels(centre.y - radius, centre.y + radius, image_.height);
    for (int y = down.first; y < down.last; ++y) {
        const double distance = y + 0.5 - centre.y;
        const double half = std::sqrt(std::max(0.0, radius * radius - distance * distance));
        span(y, centre.x - half, centre.x + half, colour);
    }
}

void Canvas::text(Point at, const std::string& words, double scale, Colour colour) {
    for (const char letter : words) {
        if (!begins_letter(letter)) continue;
        glyph(at, letter, scale, colour);
        at.x += cell_width * scale;
    }
}

// Where the blackness passes one half there is the letter's edge, and it is one pixel soft: steps
// of the small font become straight lines at a larger scale, and at scale 1 the bits stay sharp.
void Canvas::glyph(Point at, char letter, double scale, Colour colour) {
    const Span across = pixels(at.x, at.x + cell_width * scale, image_.width);
    const Span down = pixels(at.y, at.y + glyph_rows * scale, image_.height);
    for (int y = down.first; y < down.last; ++y)
        for (int x = across.first; x < across.last; ++x) {
            const double black = blackness(letter, (x + 0.5 - at.x) / scale, (y + 0.5 - at.y) / scale);
            const double covered = std::clamp((black - 0.5) * scale + 0.5, 0.0, 1.0);
            if (covered > 0) mix(image_.row(y) + 3 * x, colour, covered);
        }
}

double text_width(const std::string& words) {
    return cell_width * static_cast<double>(std::count_if(words.begin(), words.end(), begins_letter));
}

}  // namespace nnrun
