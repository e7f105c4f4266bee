#include "core/clock.h"
#include "core/lines.h"
#include "track/bytetrack.h"
#include "track/track_detections.h"
#include "verbs/common.h"
#include "verbs/header.h"
#include "verbs/objects_line.h"
#include "verbs/track.h"
#include "verbs/vision.h"
#include "vision/detector.h"
#include "vision/head_plan.h"

namespace nnrun {
namespace {

const char* const name = "track mot";

std::vector<Flag> tracker_flags() {
    return {
        {"--track-high", "S", "detections above it take part in the first association; default 0.5"},
        {"--track-low", "S", "those above this one in the second; default 0.1, which is --score's default here"},
        {"--track-new", "S", "one that nothing explains begins a track from here on; default 0.6"},
        {"--track-match", "COST", "the largest cost (1 - IoU x score) of the first association; default 0.8"},
        {"--track-buffer", "N", "frames a lost track is remembered, at 30 a second; default 30"},
        {"--fps", "F", "frames a second; default 30"},
        {"--detections", "FILE", "no net: track what a MOTChallenge det.txt has found; a gap of over 100 frames is one line"},
    };
}

BytetrackPlan read_tracker(const Args& args) {
    BytetrackPlan plan;
    plan.high = args.number("--track-high", 0, 1, plan.high);
    plan.low = args.number("--track-low", 0, 1, plan.low);
    plan.begin = args.number("--track-new", 0, 1, plan.begin);
    plan.match = args.number("--track-match", 0, 1, plan.match);
    plan.buffer = args.integer("--track-buffer", 1, 100000, plan.buffer);
    plan.fps = args.number("--fps", 0.001, 1000, plan.fps);
    if (plan.low > plan.high) args.reject("--track-low is above --track-high");
    return plan;
}

json::Object tracker_json(const BytetrackPlan& plan) {
    json::Object object;
    object.text("kind", "bytetrack").number("high", plan.high).number("low", plan.low).number("new", plan.begin);
    return object.number("match", plan.match).integer("buffer", plan.buffer).number("fps", plan.fps);
}

// Detections in, tracks out, in the same vector.
class Tracks {
public:
    explicit Tracks(const BytetrackPlan& plan) : tracker_(plan) {}

    void follow(std::vector<Object>& objects) {
        found_.clear();
        for (const Object& object : objects) {
            const Box& box = object.box;
            found_.push_back({{box.x0, box.y0, box.x1, box.y1}, object.score, object.label});
        }
        tell(tracker_.step(found_), objects);
    }

    void follow(const std::vector<Detection>& found, std::vector<Object>& objects) { tell(tracker_.step(found), objects); }
    void skip(int frames) { tracker_.skip(frames); }

private:
    static void tell(const std::vector<Tracked>& tracks, std::vector<Object>& objects) {
        objects.clear();
        for (const Tracked& track : tracks) {
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
    std::vector<Detection> found_;
};

int track_frames(const Args& args, const BytetrackPlan& tracker) {
    const VisionPlan plan = read_vision(args, name);
    HeadPlan head = read_head(args, Task::detect, dense_kinds);
    if (!args.has("--score")) head.score = tracker.low;
    const Preprocess steps = read_fixed_preprocess(args);
    const Request request = read_request(args);
    rehearse_detector(request, head, steps, plan.labels.size());
    const Model model(request);
    Detector detector(model, head, steps);
    Tracks tracks(tracker);
    write_line(header_line(name, model, detector.describe().raw("tracker", tracker_json(tracker).str())));
    write_line(load_line(model));
    return look_at_all(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& {
        std::vector<Object>& objects = detector(image, ms);
        const Stopwatch watch;
        tracks.follow(objects);
        ms.track = watch.ms();
        return objects;
    });
}

// Frames without detections that have a line each.
constexpr int longest_listed_gap = 100;

void write_frame(Tracks& tracks, int number, const std::vector<Detection>& found) {
    std::vector<Object> objects;
    Frame frame;
    Stages ms;
    const Stopwatch watch;
    tracks.follow(found, objects);
    ms.track = watch.ms();
    frame.index = number;
    write_line(objects_line(frame, objects, {}, ms));
}

// The frames after `last` and before `next`.
void write_gap(Tracks& tracks, int last, int next) {
    if (next - last - 1 > longest_listed_gap) {
        tracks.skip(next - last - 1);
        write_line(json::Object().text("type", "gap").integer("first", last + 1).integer("last", next - 1).str());
        return;
    }
    for (int number = last + 1; number < next; ++number) write_frame(tracks, number, {});
}

// Frame by frame from the first to the last that has a detection.
int track_detections(const Args& args, const BytetrackPlan& tracker) {
    if (!args.positional().empty()) args.reject("--detections takes the place of images");
    const std::string path = args.text("--detections");
    const std::map<int, std::vector<Detection>> found = read_detections(path);
    write_line(header_line(name, json::Object().text("detections", path).raw("tracker", tracker_json(tracker).str())));
    Tracks tracks(tracker);
    int last = 0;
    for (const auto& [number, detections] : found) {
        write_gap(tracks, last, number);
        write_frame(tracks, number, detections);
        last = number;
    }
    write_line(json::Object().text("type", "summary").integer("images", last).integer("failed", 0).str());
    return 0;
}

// With --detections there is neither a net nor a head.
std::vector<Flag> without_demands(std::vector<Flag> flags) {
    for (Flag& flag : flags) flag.required = false;
    return flags;
}

void require(const Args& args, const std::vector<std::string>& flags) {
    for (const std::string& flag : flags)
        if (!args.has(flag)) args.reject(flag + " is required, or --detections");
}

}  // namespace

Verb track_mot_verb() {
    std::vector<Flag> own = head_flags(false);
    const std::vector<Flag> more = tracker_flags();
    own.insert(own.end(), more.begin(), more.end());
    return {name, "Follows many objects: detect, with who is who from frame to frame (ByteTrack).", "[IMAGE|FOLDER...]",
            without_demands(vision_flags(own))};
}

int track_mot(const Args& args) {
    const BytetrackPlan tracker = read_tracker(args);
    if (args.has("--detections")) return track_detections(args, tracker);
    require(args, {"--param", "--bin", "--head"});
    return track_frames(args, tracker);
}

}  // namespace nnrun
