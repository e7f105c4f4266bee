#include "vision/draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "vision/canvas.h"
#include "vision/rotated.h"

namespace nnrun {
namespace {

// A mask goes down the columns and a picture's memory along the rows: tiles of this size stay in
// the fastest cache.
constexpr int tile_columns = 32;
constexpr int tile_rows = 64;

// What stays of a level is (256 - part) / 256.
struct Mixture {
    int part;
    std::array<int, 3> added;

    Mixture(double share, Colour colour)
        : part(static_cast<int>(share * 256)), added{colour.red * part, colour.green * part, colour.blue * part} {}

    void blend_into(std::uint8_t* pixel) const {
        for (std::size_t i = 0; i < 3; ++i) pixel[i] = static_cast<std::uint8_t>((pixel[i] * (256 - part) + added[i]) >> 8);
    }
};

// A place in a mask's runs.
class Cursor {
public:
    Cursor() = default;
    explicit Cursor(const std::vector<std::uint32_t>& runs) : runs_(&runs), left_(static_cast<int>(runs.front())) {}

    // Advances by so many pixels; calls `act` with the first one and the number of each run inside.
    template <typename Act>
    void advance(int pixels, const Act& act) {
        for (int done = 0; done < pixels;) {
            const int count = std::min(pixels - done, left_);
            if (run_ % 2 == 1 && count > 0) act(done, count);
            done += count;
            left_ -= count;
            if (left_ > 0) continue;
            if (run_ + 1 == runs_->size()) return;
            left_ = static_cast<int>((*runs_)[++run_]);
        }
    }

private:
    const std::vector<std::uint32_t>* runs_ = nullptr;
    std::size_t run_ = 0;
    int left_ = 0;
};

// Of one column.
void tint_part(Image& image, Cursor& cursor, int x, int top, int rows, const Mixture& mixture) {
    cursor.advance(rows, [&](int first, int count) {
        std::uint8_t* pixel = image.row(top + first) + 3 * x;
        for (int i = 0; i < count; ++i, pixel += image.stride()) mixture.blend_into(pixel);
    });
}

}  // namespace

void tint(Image& image, const Mask& mask, double share, Colour colour) {
    if (mask.runs.size() < 2) return;
    const Mixture mixture(share, colour);
    std::array<Cursor, tile_columns> columns;
    Cursor next(mask.runs);
    for (int left = 0; left < image.width; left += tile_columns) {
        const int width = std::min(tile_columns, image.width - left);
        for (int i = 0; i < width; ++i) {
            columns[static_cast<std::size_t>(i)] = next;
            next.advance(image.height, [](int, int) {});
        }
        for (int top = 0; top < image.height; top += tile_rows) {
            const int rows = std::min(tile_rows, image.height - top);
            for (int i = 0; i < width; ++i) tint_part(image, columns[static_cast<std::size_t>(i)], left + i, top, rows, mixture);
        }
    }
}

namespace {

constexpr float min_score = 0.3f;
constexpr std::size_t coco_keypoints = 17;

constexpr Colour left_side{255, 150, 30};
constexpr Colour right_side{40, 190, 255};
constexpr Colour middle{120, 235, 90};
constexpr Colour rim{20, 20, 20};

struct Limb {
    std::size_t from;
    std::size_t to;
};

// Nose 0; left and right by turns from 1 on: eyes, ears, shoulders, elbows, wrists, hips, knees,
// ankles (cocodataset.org, person_keypoints).
constexpr Limb limbs[] = {{15, 13}, {13, 11}, {16, 14}, {14, 12}, {11, 12}, {5, 11}, {6, 12}, {5, 6}, {5, 7}, {7, 9},
                          {6, 8},   {8, 10},  {0, 1},   {0, 2},   {1, 2},   {1, 3},  {2, 4},  {3, 5}, {4, 6}};

bool is_visible(const Keypoint& point) { return point.score >= min_score; }

Point at(const Keypoint& point) { return {static_cast<double>(point.x), static_cast<double>(point.y)}; }

Colour side_colour(std::size_t keypoint) { return keypoint == 0 ? middle : keypoint % 2 == 1 ? left_side : right_side; }

// A limb between both sides, or one to the nose, belongs to neither.
Colour colour_of(const Limb& limb) {
    const bool one_side = limb.from != 0 && limb.to != 0 && limb.from % 2 == limb.to % 2;
    return one_side ? side_colour(limb.from) : middle;
}

}  // namespace

void draw_skeleton(Canvas& canvas, const std::vector<Keypoint>& keypoints, double thickness) {
    const bool coco = keypoints.size() == coco_keypoints;
    if (coco)
        for (const Limb& limb : limbs)
            if (is_visible(keypoints[limb.from]) && is_visible(keypoints[limb.to]))
                canvas.line(at(keypoints[limb.from]), at(keypoints[limb.to]), thickness, colour_of(limb));
    for (std::size_t i = 0; i < keypoints.size(); ++i) {
        if (!is_visible(keypoints[i])) continue;
        canvas.disc(at(keypoints[i]), thickness * 1.5 + 0.5, rim);
        canvas.disc(at(keypoints[i]), thickness * 1.1 + 0.3, coco ? side_colour(i) : distinct_colour(static_cast<int>(i)));
    }
}

namespace {

constexpr double tint_share = 0.45;

// Sizes that suit a picture, in its pixels.
struct Style {
    double frame;  // thickness of its lines
    double limb;
    double letter;  // scale of the font
};

Style style_for(const Image& image) {
    const double side_colour = (image.width + image.height) / 2.0;
    const double line = std::round(side_colour / 280);
    // JPEG washes out the colour of a thinner one.
    return {std::max(2.0, line), std::max(1.0, line), std::max(1.0, std::round(side_colour / 190) / 2)};
}

Colour colour_of(const Object& object) { return distinct_colour(std::max(0, object.id >= 0 ? object.id : object.label)); }

Area area_of(const Box& box) {
    return {static_cast<double>(box.x0), static_cast<double>(box.y0), static_cast<double>(box.x1), static_cast<double>(box.y1)};
}

std::string caption(const Object& object, const std::vector<std::string>& labels) {
    const auto label = static_cast<std::size_t>(std::max(0, object.label));
    const std::string name = label < labels.size() ? labels[label] : labels.empty() ? "" : std::to_string(label);
    char score[16];
    std::snprintf(score, sizeof score, "%.2f", static_cast<double>(object.score));
    return (object.id >= 0 ? "#" + std::to_string(object.id) + " " : "") + name + (name.empty() ? "" : " ") + score;
}

// The frame's corner that its caption stands on: of a rotated one the highest.
Point caption_place(const Object& object) {
    if (!object.rotated) return {object.box.x0, object.box.y0};
    const auto corners = corners_of(*object.rotated);
    return *std::min_element(corners.begin(), corners.end(), [](const Point& a, const Point& b) { return a.y < b.y; });
}

void draw_outline(Canvas& canvas, const Object& object, double thickness) {
    if (!object.rotated) return canvas.frame(area_of(object.box), thickness, colour_of(object));
    const auto corners = corners_of(*object.rotated);
    for (std::size_t i = 0; i < corners.size(); ++i)
        canvas.line(corners[i], corners[(i + 1) % corners.size()], thickness, colour_of(object));
}

// Above the box, or inside where the picture ends; never beyond its right side.
void draw_caption(Canvas& canvas, const Image& image, const Object& object, const std::string& words, const Style& style) {
    const double margin = style.letter;
    const double width = text_width(words) * style.letter + margin;
    const double height = text_height * style.letter + 2 * margin;
    const Point at = caption_place(object);
    const double left = std::round(std::max(0.0, std::min(at.x, image.width - width)));
    const double above = at.y - height;
    const double top = std::round(above >= 0 ? above : std::max(0.0, at.y));
    const Colour ground = colour_of(object);
    canvas.fill({left, top, left + width, top + height}, ground);
    canvas.text({left + margin, top + 1.5 * margin}, words, style.letter, readable_on(ground));
}

}  // namespace

void draw_title(Image& image, const std::string& words) {
    constexpr Colour ground{20, 20, 20};
    const double letter = style_for(image).letter;
    Canvas canvas(image);
    canvas.fill({0, 0, (text_width(words) + 1) * letter, (text_height + 2) * letter}, ground);
    canvas.text({letter, 1.5 * letter}, words, letter, readable_on(ground));
}

namespace {

constexpr std::size_t max_entries = 8;

std::string name_of(const Object& region, const std::vector<std::string>& labels) {
    const auto label = static_cast<std::size_t>(region.label);
    return label < labels.size() ? labels[label] : std::to_string(region.label);
}

bool is_background(const Object& region, const std::vector<std::string>& labels) {
    const std::string name = name_of(region, labels);
    return name == "background" || name == "__background__";
}

std::string legend_entry(const Object& region, const std::vector<std::string>& labels) {
    char share[16];
    std::snprintf(share, sizeof share, " %.1f %%", 100 * static_cast<double>(region.score));
    return name_of(region, labels) + share;
}

}  // namespace

void draw_regions(Image& image, const std::vector<Object>& regions, const std::vector<std::string>& labels) {
    const Style style = style_for(image);
    Canvas canvas(image);
    for (const Object& region : regions)
        if (!is_background(region, labels)) tint(image, region.mask, tint_share, colour_of(region));
    const double margin = style.letter;
    const double height = text_height * style.letter + 2 * margin;
    double top = 0;
    for (std::size_t i = 0; i < std::min(max_entries, regions.size()); ++i, top += height) {
        const std::string words = legend_entry(regions[i], labels);
        const Colour ground = is_background(regions[i], labels) ? rim : colour_of(regions[i]);
        canvas.fill({0, top, text_width(words) * style.letter + 2 * margin, top + height}, ground);
        canvas.text({margin, top + 1.5 * margin}, words, style.letter, readable_on(ground));
    }
}

// The best ones last, so that they are on top; captions over everything.
void draw_objects(Image& image, const std::vector<Object>& objects, const std::vector<std::string>& labels) {
    const Style style = style_for(image);
    Canvas canvas(image);
    for (auto object = objects.rbegin(); object != objects.rend(); ++object) tint(image, object->mask, tint_share, colour_of(*object));
    for (auto object = objects.rbegin(); object != objects.rend(); ++object) {
        draw_outline(canvas, *object, style.frame);
        draw_skeleton(canvas, object->keypoints, style.limb);
    }
    for (auto object = objects.rbegin(); object != objects.rend(); ++object)
        draw_caption(canvas, image, *object, caption(*object, labels), style);
}

}  // namespace nnrun
