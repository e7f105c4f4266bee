#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/args.h"
#include "io/image.h"
#include "io/mjpeg_writer.h"
#include "vision/objects.h"

namespace nnrun {

// Where annotated pictures go.
struct DrawPlan {
    std::string folder;  // "": no pictures
    std::string film;    // "": no MJPEG
    bool wanted() const { return !folder.empty() || !film.empty(); }
};

std::vector<Flag> draw_flags();
// A folder that cannot be written to is a Failure with Exit::output.
DrawPlan read_draw(const Args& args);

// Writes pictures with what was found on them. What cannot be written is a Failure with
// Exit::output.
class Drawings {
public:
    Drawings(const DrawPlan& plan, const std::vector<std::string>& labels);

    bool wanted() const { return plan_.wanted(); }
    // Paints on the picture itself, so that none is copied.
    void add(long index, Image& image, const std::vector<Object>& objects);

private:
    DrawPlan plan_;
    std::vector<std::string> labels_;
    std::optional<MjpegWriter> film_;
};

}  // namespace nnrun
