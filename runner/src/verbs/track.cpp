#include "verbs/verbs.h"

#include "core/clock.h"
#include "core/failure.h"
#include "core/lines.h"
#include "core/text.h"
#include "track/bytetrack.h"
#include "track/detections.h"
#include "track/nanotrack.h"
#include "verbs/common.h"
#include "verbs/frames.h"
#include "vision/detector.h"
#include "vision/head.h"
#include "vision/preprocess.h"

namespace nnrun {
namespace {

std::vector<Flag> bytetrack_flags() {
    return {
        {"--track-high", "S", "detections above it take part in the first association; default 0.5"},
        {"--track-low", "S", "those above this one in the second; default 0.1, which is --score's default here"},
        {"--track-new", "S", "an unmatched one starts a track from here on; default 0.6"},
        {"--track-match", "COST", "the largest cost (1 - IoU x score) of the first association; default 0.8"},
        {"--track-buffer", "N", "frames a lost track is remembered, at 30 a second; default 30"},
        {"--fps", "F", "frames a second; default 30"},
        {"--detections", "FILE", "no net: track the detections of a MOTChallenge det.txt; a gap of over 100 frames is one line"},
    };
}

BytetrackPlan read_bytetrack(const Args& args) {
    BytetrackPlan plan;
    plan.high = args.number("--track-high", 0, 1, plan.high);
    plan.low = args.number("--track-low", 0, 1, plan.low);
    plan.start = args.number("--track-new", 0, 1, plan.start);
    plan.match = args.number("--track-match", 0, 1, plan.match);
    plan.buffer = args.integer("--track-buffer", 1, 100000, plan.buffer);
    plan.fps = args.number("--fps", 0.001, 1000, plan.fps);
    if (plan.low > plan.high) args.reject("--track-low is above --track-high");
    return plan;
}

json::Object tracker_json(const BytetrackPlan& plan) {
    json::Object object;
    object.text("kind", "bytetrack").number("high", plan.high).number("low", plan.low).number("new", plan.start);
    return object.number("match", plan.match).integer("buffer", plan.buffer).number("fps", plan.fps);
}

// Detections in, tracks out, in the same vector.
class Tracks {
public:
    explicit Tracks(const BytetrackPlan& plan) : tracker_(plan) {}

    void follow(std::vector<Object>& objects) {
        detections_.clear();
        for (const Object& object : objects) {
            const Box& box = object.box;
            detections_.push_back({{box.x0, box.y0, box.x1, box.y1}, object.score, object.label});
        }
        write_objects(tracker_.step(detections_), objects);
    }

    void follow(const std::vector<Detection>& detections, std::vector<Object>& objects) {
        write_objects(tracker_.step(detections), objects);
    }
    void skip(int frames) { tracker_.skip(frames); }

private:
    static void write_objects(const std::vector<TrackedObject>& tracks, std::vector<Object>& objects) {
        objects.clear();
        for (const TrackedObject& track : tracks) {
            Object object;
            object.label = track.label;
            object.score = static_cast<float>(track.score);
            object.box = {static_cast<float>(track.box[0]), static_cast<float>(track.box[1]), static_cast<float>(track.box[2]),
                          static_cast<float>(track.box[3])};
            object.id = track.id;
            objects.push_back(object);
        }
    }

    ByteTracker tracker_;
    std::vector<Detection> detections_;
};

int track_frames(const Args& args, const BytetrackPlan& tracker) {
    const FramesPlan plan = read_frames(args);
    HeadPlan head = read_head(args, Task::detect, dense_kinds);
    if (!args.has("--score")) head.score = tracker.low;
    const Preprocess steps = read_fixed_preprocess(args);
    const Request request = read_request(args);
    rehearse_detector(request, head, steps, plan.labels.size());
    const Model model(request);
    Detector detector(model, head, steps);
    Tracks tracks(tracker);
    write_header(args, model, detector.describe().raw("tracker", tracker_json(tracker).str()));
    return process_frames(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& {
        std::vector<Object>& objects = detector(image, ms);
        const Stopwatch watch;
        tracks.follow(objects);
        ms.track = watch.ms();
        return objects;
    });
}

// Frames without detections that have a line each.
constexpr int max_listed_gap = 100;

void write_frame(Tracks& tracks, int number, const std::vector<Detection>& detections) {
    std::vector<Object> objects;
    Frame frame;
    Stages ms;
    const Stopwatch watch;
    tracks.follow(detections, objects);
    ms.track = watch.ms();
    frame.index = number;
    write_line(objects_line(frame, objects, {}, ms));
}

// The frames after `last` and before `next`.
void write_gap(Tracks& tracks, int last, int next) {
    if (next - last - 1 > max_listed_gap) {
        tracks.skip(next - last - 1);
        write_line(json::Object().text("type", "gap").integer("first", last + 1).integer("last", next - 1).str());
        return;
    }
    for (int number = last + 1; number < next; ++number) write_frame(tracks, number, {});
}

// Frame by frame from the first to the last that has a detection.
int track_detections(const Args& args, const BytetrackPlan& tracker) {
    if (!args.positional().empty()) args.reject("--detections cannot be combined with images");
    const std::string path = args.text("--detections");
    const std::map<int, std::vector<Detection>> by_frame = read_detections(path);
    write_header(args, json::Object().text("detections", path).raw("tracker", tracker_json(tracker).str()));
    Tracks tracks(tracker);
    int last = 0;
    for (const auto& [number, detections] : by_frame) {
        write_gap(tracks, last, number);
        write_frame(tracks, number, detections);
        last = number;
    }
    write_line(json::Object().text("type", "summary").integer("images", last).integer("failed", 0).str());
    return 0;
}

// With --detections there is neither a net nor a head.
void require(const Args& args, const std::vector<std::string>& flags) {
    for (const std::string& flag : flags)
        if (!args.has(flag)) args.reject(flag + " is required, or --detections");
}

}  // namespace

std::vector<Flag> track_mot_flags() { return all_optional(frame_flags(join_flags({head_flags(false), bytetrack_flags()}))); }

int track_mot(const Args& args) {
    const BytetrackPlan tracker = read_bytetrack(args);
    if (args.has("--detections")) return track_detections(args, tracker);
    require(args, {"--param", "--bin", "--head"});
    return track_frames(args, tracker);
}

namespace {

std::vector<Flag> nanotrack_flags() {
    return {
        {"--head-param", "FILE", "the net that compares features of --param's net, a text .param", true},
        {"--head-bin", "FILE", "its weights", true},
        {"--init", "x,y,w,h", "the object in the first frame, in pixels", true},
        {"--score", "S", "the object is reported only from here on; default 0"},
        {"--template", "N", "side of the input for what is looked for; default 127"},
        {"--search", "N", "side of the input for where it is looked for; default 255"},
        {"--stride", "N", "search pixels between two places of the head's grid; default 16"},
        {"--context", "C", "shown around the object, in sums of its sides; default 0.5"},
        {"--penalty", "P", "for a changing size or shape; default 0.138"},
        {"--window", "S", "share of the nearness to where it was; default 0.455"},
        {"--rate", "R", "at which the size follows; default 0.348"},
    };
}

NanotrackPlan read_nanotrack(const Args& args) {
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
    if (!overlaps(box, image.width, image.height))
        args.reject("--init " + args.text("--init") + " lies outside the first frame, which has " + std::to_string(image.width) + "x" +
                    std::to_string(image.height) + " pixels");
}

Object object_of(const TrackedBox& followed) {
    Object object;
    object.score = static_cast<float>(followed.score);
    object.box = {static_cast<float>(followed.box[0]), static_cast<float>(followed.box[1]), static_cast<float>(followed.box[2]),
                  static_cast<float>(followed.box[3])};
    return object;
}

}  // namespace

std::vector<Flag> track_sot_flags() { return frame_flags(nanotrack_flags()); }

int track_sot(const Args& args) {
    const FramesPlan plan = read_frames(args);
    const NanotrackPlan tracker_plan = read_nanotrack(args);
    const Corners box = read_box(args);
    const double min_score = args.number("--score", 0, 1, 0);
    const Preprocess steps = read_preprocess(args);
    if (steps.channels() != 3) args.reject("--order " + steps.order + " cannot be used here: the nets of track sot take three channels");
    const Normalizer normalizer(steps.order, steps.mean, steps.norm);
    const Request request = read_request(args);
    const Request head = head_request(args, request);
    rehearse_nanotrack(request, head, tracker_plan, normalizer);
    const Model backbone(request);
    const Model comparer(head);
    NanoTracker tracker(backbone, comparer, tracker_plan, normalizer);
    write_header(args, backbone, comparer, describe(tracker_plan, comparer));
    bool started = false;
    std::vector<Object> objects;
    return process_frames(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& {
        if (!started) check_box(args, box, image);
        const TrackedBox tracked = started ? tracker.step(image, ms) : tracker.begin(image, box, ms);
        started = true;
        objects.clear();
        if (tracked.score >= min_score) objects.push_back(object_of(tracked));
        return objects;
    });
}

}  // namespace nnrun
