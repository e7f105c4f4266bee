#include "core/failure.h"
#include "core/lines.h"
#include "core/text.h"
#include "track/nanotrack.h"
#include "verbs/common.h"
#include "verbs/header.h"
#include "verbs/track.h"
#include "verbs/vision.h"
#include "vision/preprocess.h"

namespace nnrun {
namespace {

const char* const name = "track sot";

std::vector<Flag> own_flags() {
    return {
        {"--head-param", "FILE", "the net that compares what --param's one sees, a text .param", true},
        {"--head-bin", "FILE", "its weights", true},
        {"--init", "x,y,w,h", "the object in the first frame, in pixels", true},
        {"--score", "S", "the object is told only from here on; default 0"},
        {"--template", "N", "side of the input for what is looked for; default 127"},
        {"--search", "N", "side of the input for where it is looked for; default 255"},
        {"--stride", "N", "search pixels between two places of the head's grid; default 16"},
        {"--context", "C", "shown around the object, in sums of its sides; default 0.5"},
        {"--penalty", "P", "for a changing size or shape; default 0.138"},
        {"--window", "S", "share of the nearness to where it was; default 0.455"},
        {"--rate", "R", "at which the size follows; default 0.348"},
    };
}

NanotrackPlan read_tracker(const Args& args) {
    NanotrackPlan plan;
    plan.template_side = args.integer("--template", 16, 4096, plan.template_side);
    plan.search_side = args.integer("--search", 16, 4096, plan.search_side);
    plan.stride = args.integer("--stride", 1, 4096, plan.stride);
    plan.context = args.number("--context", 0, 1, plan.context);
    plan.penalty = args.number("--penalty", 0, 2, plan.penalty);
    plan.window = args.number("--window", 0, 1, plan.window);
    plan.rate = args.number("--rate", 0, 1, plan.rate);
    return plan;
}

json::Object tracker_json(const NanotrackPlan& plan) {
    json::Object object;
    object.text("kind", "nanotrack").integer("template", plan.template_side).integer("search", plan.search_side);
    object.integer("stride", plan.stride).number("context", plan.context).number("penalty", plan.penalty);
    return object.number("window", plan.window).number("rate", plan.rate);
}

// x, y, width, height → x0, y0, x1, y1.
Corners read_box(const Args& args) {
    const std::vector<float> box = args.floats("--init", 4, 0);
    if (!(box[2] > 0 && box[3] > 0)) args.reject("--init needs a width and a height above 0, not '" + args.text("--init") + "'");
    return {box[0], box[1], static_cast<double>(box[0]) + box[2], static_cast<double>(box[1]) + box[3]};
}

json::Object describe(const NanotrackPlan& plan, const Model& head) {
    json::Object net;
    net.text("param", head.request().param).text("bin", head.request().bin).text("weights", head.weights());
    json::Object object;
    return object.raw("tracker", tracker_json(plan).str()).raw("head", net.str());
}

Request head_request(const Args& args, Request request) {
    request.param = args.text("--head-param");
    request.bin = args.text("--head-bin");
    request.inputs = 2;
    // --input-blob and --output-blob are the backbone's.
    request.input_blob.clear();
    request.output_blobs.clear();
    return request;
}

void check_box(const Args& args, const Corners& box, const Image& image) {
    if (!shows(box, image.width, image.height))
        args.reject("--init " + args.text("--init") + " shows nothing of the first frame, which has " + std::to_string(image.width) + "x" +
                    std::to_string(image.height) + " pixels");
}

Object object_of(const Followed& followed) {
    Object object;
    object.score = static_cast<float>(followed.score);
    object.box = {static_cast<float>(followed.box[0]), static_cast<float>(followed.box[1]), static_cast<float>(followed.box[2]),
                  static_cast<float>(followed.box[3])};
    return object;
}

}  // namespace

Verb track_sot_verb() {
    return {name, "Follows one object, given by its box in the first frame that can be read (NanoTrack).", "[IMAGE|FOLDER...]",
            vision_flags(own_flags())};
}

int track_sot(const Args& args) {
    const VisionPlan plan = read_vision(args, name);
    const NanotrackPlan tracker_plan = read_tracker(args);
    const Corners box = read_box(args);
    const double least = args.number("--score", 0, 1, 0);
    const Preprocess steps = read_preprocess(args);
    const Levels levels(steps.bgr, steps.mean, steps.norm);
    const Request request = read_request(args);
    const Request head = head_request(args, request);
    rehearse_nanotrack(request, head, tracker_plan, levels);
    const Model backbone(request);
    const Model comparer(head);
    NanoTracker tracker(backbone, comparer, tracker_plan, levels);
    write_line(header_line(name, backbone, describe(tracker_plan, comparer)));
    write_line(json::Object().text("type", "load").number("ms", backbone.load_ms() + comparer.load_ms()).str());
    bool begun = false;
    std::vector<Object> objects;
    return look_at_all(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& {
        if (!begun) check_box(args, box, image);
        const Followed found = begun ? tracker.step(image, ms) : tracker.begin(image, box, ms);
        begun = true;
        objects.clear();
        if (found.score >= least) objects.push_back(object_of(found));
        return objects;
    });
}

}  // namespace nnrun
