#include "vision/draw.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "vision/draw_canvas.h"
#include "vision/draw_skeleton.h"
#include "vision/draw_tint.h"

namespace nnrun {
namespace {

constexpr double tint_share = 0.45;

// Sizes that suit a picture, in its pixels.
struct Style {
    double frame;   // thickness of its lines
    double limb;
    double letter;  // scale of the font
};

Style style_for(const Image& image) {
    const double side = (image.width + image.height) / 2.0;
    const double line = std::round(side / 280);
    // JPEG washes out the colour of a thinner one.
    return {std::max(2.0, line), std::max(1.0, line), std::max(1.0, std::round(side / 190) / 2)};
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

// Above the box, or inside where the picture ends; never beyond its right side.
void draw_caption(Canvas& canvas, const Image& image, const Object& object, const std::string& words, const Style& style) {
    const double margin = style.letter;
    const double width = text_width(words) * style.letter + margin;
    const double height = text_height * style.letter + 2 * margin;
    const double left = std::round(std::max(0.0, std::min(static_cast<double>(object.box.x0), image.width - width)));
    const double above = object.box.y0 - height;
    const double top = std::round(above >= 0 ? above : std::max(0.0, static_cast<double>(object.box.y0)));
    const Colour ground = colour_of(object);
    canvas.fill({left, top, left + width, top + height}, ground);
    canvas.text({left + margin, top + 1.5 * margin}, words, style.letter, readable_on(ground));
}

}  // namespace

// The best ones last, so that they are on top; captions over everything.
void draw_objects(Image& image, const std::vector<Object>& objects, const std::vector<std::string>& labels) {
    const Style style = style_for(image);
    Canvas canvas(image);
    for (auto object = objects.rbegin(); object != objects.rend(); ++object)
        tint(image, object->mask, tint_share, colour_of(*object));
    for (auto object = objects.rbegin(); object != objects.rend(); ++object) {
        canvas.frame(area_of(object->box), style.frame, colour_of(*object));
        draw_skeleton(canvas, object->keypoints, style.limb);
    }
    for (auto object = objects.rbegin(); object != objects.rend(); ++object)
        draw_caption(canvas, image, *object, caption(*object, labels), style);
}

}  // namespace nnrun
