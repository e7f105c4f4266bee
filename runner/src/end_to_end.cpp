#include "end_to_end.h"

#include "clock.h"
#include "decode.h"
#include "failure.h"
#include "lines.h"
#include "rehearsal.h"

namespace nnrun {
namespace {

ClassifierPlan classifier_plan(const EndToEndPlan& plan) {
    ClassifierPlan made;
    made.steps = plan.steps;
    return made;
}

std::string line_of(int i, double at_s, const Steps& ms) {
    json::Object line;
    line.text("type", "end_to_end").integer("i", i).number("ms", ms.total()).number("at", to_milliseconds(at_s));
    line.number("decode_ms", ms.decode).number("pre_ms", ms.pre).number("infer_ms", ms.infer).number("post_ms", ms.post);
    return line.str();
}

}  // namespace

void check_picture(const EndToEndPlan& plan, const Shape& shape) {
    rehearse(plan.picture, [&] {
        const Shape made = shape_of(prepare(plan.picture, read_image(plan.picture), plan.steps));
        if (made != shape)
            throw Failure(Exit::input, plan.picture + ": becomes an input of " + shown(made) + ", and --shape is " +
                                           shown(shape) + "; " + picture_advice);
        return std::string();
    });
}

EndToEnd::EndToEnd(const Model& model, const EndToEndPlan& plan) : plan_(plan), classify_(model, classifier_plan(plan)) {}

void EndToEnd::write(int count) {
    for (int i = 0; i < count; ++i) {
        const double at_s = uptime_s();
        const Steps ms = classify_(plan_.picture).ms;
        write_line(line_of(i, at_s, ms));
    }
}

}  // namespace nnrun
