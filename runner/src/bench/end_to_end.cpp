#include "bench/end_to_end.h"

#include "core/clock.h"
#include "core/failure.h"
#include "core/lines.h"
#include "core/rehearsal.h"
#include "io/image.h"
#include "vision/feed.h"

namespace nnrun {
namespace {

std::string line_of(int i, double at_s, const Stages& ms) {
    json::Object line;
    line.text("type", "end_to_end").integer("i", i).number("ms", ms.total()).number("at", to_milliseconds(at_s));
    line.number("decode_ms", ms.decode).number("pre_ms", ms.pre).number("infer_ms", ms.infer).number("post_ms", ms.post);
    return line.str();
}

Shape input_shape(const EndToEndPlan& plan) {
    const Image image = read_image(plan.picture);
    Feed feed(plan.classifier.steps);
    try {
        return shape_of(feed(image));
    } catch (const Failure& failure) {
        throw Failure(failure.code, plan.picture + ": " + failure.what());
    }
}

}  // namespace

void check_picture(const EndToEndPlan& plan, const Shape& shape) {
    rehearse(plan.picture, [&] {
        const Shape actual = input_shape(plan);
        if (actual != shape)
            throw Failure(Exit::input, plan.picture + ": becomes an input of " + format_shape(actual) + ", and --shape is " +
                                           format_shape(shape) + "; " + picture_advice);
        return std::string();
    });
}

EndToEnd::EndToEnd(const Model& model, const EndToEndPlan& plan)
    : model_(model), plan_(plan), feed_(plan.classifier.steps), outputs_(model.outputs().size()) {
    if (plan.raw) return;
    if (plan.head && plan.head->kind == "semantic")
        segment_.emplace(model, *plan.head, plan.classifier.steps);
    else if (plan.head)
        detect_.emplace(model, *plan.head, plan.classifier.steps);
    else
        classify_.emplace(model, plan.classifier);
}

void EndToEnd::write(int count) {
    for (int i = 0; i < count; ++i) {
        const double at_s = uptime_s();
        write_line(line_of(i, at_s, run_once()));
    }
}

Stages EndToEnd::run_once() {
    Stages ms;
    const Stopwatch watch;
    read_image(plan_.picture, image_);
    ms.decode = watch.ms();
    if (detect_)
        (*detect_)(image_, ms);
    else if (segment_)
        (*segment_)(image_, ms);
    else if (plan_.raw)
        run_raw(ms);
    else
        (*classify_)(image_, ms);
    return ms;
}

void EndToEnd::run_raw(Stages& ms) {
    Stopwatch watch;
    const ncnn::Mat& input = feed_(image_);
    ms.pre = watch.lap();
    model_.run(input, outputs_);
    ms.infer = watch.lap();
}

}  // namespace nnrun
