#include "verbs/vision.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "core/failure.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/stop.h"
#include "verbs/common.h"
#include "verbs/labels.h"
#include "verbs/objects_line.h"
#include "vision/preprocess.h"

namespace nnrun {
namespace {

void append(std::vector<Flag>& flags, const std::vector<Flag>& more) { flags.insert(flags.end(), more.begin(), more.end()); }

void write_summary(const Tally& tally) {
    json::Object line;
    line.text("type", "summary").integer("images", tally.frames).integer("failed", tally.failed);
    write_line(line.integer("peak_rss_kb", peak_rss_kb()).str());
}

bool finite(const Object& object) {
    const Box& box = object.box;
    const bool keypoints = std::all_of(object.keypoints.begin(), object.keypoints.end(), [](const Keypoint& point) {
        return std::isfinite(point.x) && std::isfinite(point.y) && std::isfinite(point.score);
    });
    return keypoints && std::isfinite(object.score) && std::isfinite(box.x0) && std::isfinite(box.y0) && std::isfinite(box.x1) &&
           std::isfinite(box.y1);
}

// Outputs that are finite may still become a box that is not.
void check_finite(const std::vector<Object>& objects) {
    if (!std::all_of(objects.begin(), objects.end(), finite))
        throw Failure(Exit::input, "an object's place or score is NaN or infinity; try --precision fp32");
}

}  // namespace

std::vector<Flag> vision_flags(const std::vector<Flag>& own) {
    std::vector<Flag> flags{{"--labels", "FILE", "one label a line"}};
    append(flags, input_flags());
    append(flags, draw_flags());
    append(flags, preprocess_flags());
    append(flags, own);
    return with_common_flags(flags);
}

VisionPlan read_vision(const Args& args, const std::string& verb) {
    VisionPlan plan;
    plan.verb = verb;
    plan.inputs = read_inputs(args);
    if (args.has("--labels")) plan.labels = read_labels(args.text("--labels"));
    plan.draw = read_draw(args);
    return plan;
}

int look_at_all(const VisionPlan& plan, const Look& look) {
    // A stream ends by a signal as often as by its end: no line is cut in two.
    const LastWords last_words(finish_lines);
    Drawings drawings(plan.draw, plan.labels);
    const Tally tally = for_each_frame(plan.verb, plan.inputs, [&](Frame& frame) {
        Stages ms;
        const std::vector<Object>& objects = look(frame.image, ms);
        check_finite(objects);
        ms.decode = frame.decode_ms;
        const Stopwatch watch;
        if (drawings.wanted()) {
            drawings.add(frame.index, frame.image, objects);
            ms.draw = watch.ms();
        }
        write_line(objects_line(frame, objects, plan.labels, ms));
    });
    write_summary(tally);
    return tally.failed == 0 ? 0 : static_cast<int>(Exit::input);
}

}  // namespace nnrun
