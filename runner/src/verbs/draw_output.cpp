#include "verbs/draw_output.h"

#include <cstdio>

#include "core/file.h"
#include "io/jpeg_write.h"
#include "vision/draw.h"

namespace nnrun {
namespace {

std::string numbered(const std::string& folder, long index) {
    char name[32];
    std::snprintf(name, sizeof name, "/%04ld.jpg", index);
    return folder + name;
}

}  // namespace

std::vector<Flag> draw_flags() {
    return {
        {"--draw", "DIR", "write each picture with what was found on it to DIR/<index>.jpg"},
        {"--mjpeg", "FILE", "write all of them as one MJPEG film"},
    };
}

DrawPlan read_draw(const Args& args) {
    const DrawPlan plan{args.text("--draw"), args.text("--mjpeg")};
    if (!plan.folder.empty()) check_folder(plan.folder);
    return plan;
}

Drawings::Drawings(const DrawPlan& plan, const std::vector<std::string>& labels) : plan_(plan), labels_(labels) {
    if (!plan.film.empty()) film_.emplace(plan.film);
}

void Drawings::add(long index, Image& image, const std::vector<Object>& objects) {
    draw_objects(image, objects, labels_);
    if (!plan_.folder.empty()) save_jpeg(numbered(plan_.folder, index), image);
    if (film_) film_->add(image);
}

}  // namespace nnrun
