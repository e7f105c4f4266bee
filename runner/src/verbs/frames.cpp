#include "verbs/frames.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/signals.h"
#include "core/text.h"
#include "verbs/common.h"
#include "vision/detector.h"
#include "vision/draw.h"
#include "vision/preprocess.h"
#include "vision/semantic.h"

namespace nnrun {

std::vector<std::string> read_labels(const std::string& path) {
    const std::vector<unsigned char> bytes = read_file(path, Exit::input);
    return lines_of(std::string(bytes.begin(), bytes.end()));
}

namespace {

std::string points(const std::vector<Keypoint>& keypoints) {
    std::vector<std::string> each;
    for (const Keypoint& point : keypoints) each.push_back(json::floats({point.x, point.y, point.score}));
    return json::array(each);
}

std::string mask_json(const Mask& mask) {
    return json::Object().raw("size", json::integers({mask.height, mask.width})).text("counts", compressed(mask)).str();
}

std::string rotated_json(const RotatedBox& box) {
    return json::floats({static_cast<float>(box.x), static_cast<float>(box.y), static_cast<float>(box.width),
                         static_cast<float>(box.height), static_cast<float>(box.angle)});
}

std::string object_json(const Object& object, const std::vector<std::string>& labels) {
    const auto label = static_cast<std::size_t>(object.label);
    json::Object line;
    line.integer("class", object.label).raw("label", label < labels.size() ? json::quote(labels[label]) : "null");
    line.raw("score", json::number(object.score));
    line.raw("box", json::floats({object.box.x0, object.box.y0, object.box.x1, object.box.y1}));
    if (object.rotated) line.raw("rotated", rotated_json(*object.rotated));
    if (!object.mask.runs.empty()) line.raw("mask", mask_json(object.mask));
    if (!object.keypoints.empty()) line.raw("keypoints", points(object.keypoints));
    if (object.id >= 0) line.integer("id", object.id);
    return line.str();
}

json::Object ms_json(const Stages& ms) {
    json::Object object;
    object.number("decode", ms.decode).number("pre", ms.pre).number("infer", ms.infer).number("post", ms.post);
    if (ms.track) object.number("track", *ms.track);
    return object.number("draw", ms.draw);
}

}  // namespace

std::string stages_json(const Stages& ms) {
    json::Object object;
    object.number("decode", ms.decode).number("pre", ms.pre).number("infer", ms.infer).number("post", ms.post);
    return object.str();
}

std::string objects_line(const Frame& frame, const std::vector<Object>& objects, const std::vector<std::string>& labels, const Stages& ms) {
    std::vector<std::string> each;
    for (const Object& object : objects) each.push_back(object_json(object, labels));
    json::Object line;
    line.text("type", "objects");
    frame.name(line).integer("width", frame.image.width).integer("height", frame.image.height);
    return line.raw("objects", json::array(each)).raw("ms", ms_json(ms).str()).str();
}

namespace {

// For people, the most frequent first: "2 person, 1 dog".
std::string count_classes(const std::vector<Object>& objects, const std::vector<std::string>& labels) {
    std::map<std::string, int> counts;
    for (const Object& object : objects) {
        const auto label = static_cast<std::size_t>(object.label);
        ++counts[label < labels.size() ? labels[label] : std::to_string(label)];
    }
    std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& one, const auto& other) { return one.second > other.second; });
    std::vector<std::string> parts;
    for (const auto& [name, count] : sorted) parts.push_back(std::to_string(count) + " " + name);
    return join(parts, ", ");
}

std::string numbered(const std::string& folder, long index) {
    char name[32];
    std::snprintf(name, sizeof name, "/%04ld.jpg", index);
    return folder + name;
}

}  // namespace

std::vector<Flag> draw_flags() {
    return {
        {"--draw", "DIR", "write each picture with its objects drawn on it to DIR/<index>.jpg"},
        {"--mjpeg", "FILE", "write all of them as one MJPEG film"},
    };
}

std::vector<Flag> preview_flags() {
    return {
        {"--preview", "PORT", "show them in a browser on this machine, at http://127.0.0.1:PORT/; 0: any free port"},
        {"--preview-title", "TEXT", "of the page"},
    };
}

PreviewPlan read_preview(const Args& args) {
    PreviewPlan plan;
    if (args.has("--preview-title") && !args.has("--preview")) args.reject("--preview-title needs --preview");
    if (args.has("--preview")) plan.port = args.integer("--preview", 0, 65535, 0);
    plan.title = args.text("--preview-title", "nnrun " + args.verb());
    return plan;
}

std::unique_ptr<Preview> open_preview(const PreviewPlan& plan) {
    if (!plan.port) return nullptr;
    auto preview = std::make_unique<Preview>(*plan.port, plan.title);
    write_line(json::Object().text("type", "preview").integer("port", preview->port()).str());
    return preview;
}

DrawPlan read_draw(const Args& args) {
    const DrawPlan plan{args.text("--draw"), args.text("--mjpeg"), read_preview(args), false};
    if (!plan.folder.empty()) check_folder(plan.folder);
    return plan;
}

Drawings::Drawings(const DrawPlan& plan, const std::vector<std::string>& labels) : plan_(plan), labels_(labels) {
    if (!plan.film.empty()) film_.emplace(plan.film);
    preview_ = open_preview(plan.preview);
}

void Drawings::add(Frame& frame, const std::vector<Object>& objects) {
    const bool is_watched = preview_ && preview_->is_watched();
    if (plan_.enabled() || is_watched) (plan_.regions ? draw_regions : draw_objects)(frame.image, objects, labels_);
    write(frame.index, frame.image);
    if (preview_) preview_->show(is_watched ? &frame.image : nullptr, {frame.index + 1, frame.dropped, count_classes(objects, labels_)});
}

void Drawings::write(long index, const Image& image) {
    if (!plan_.folder.empty()) save_jpeg(numbered(plan_.folder, index), image);
    if (film_) film_->add(image);
}

namespace {

bool finite(const RotatedBox& box) {
    return std::isfinite(box.x) && std::isfinite(box.y) && std::isfinite(box.width) && std::isfinite(box.height) &&
           std::isfinite(box.angle);
}

bool finite(const Object& object) {
    if (object.rotated && !finite(*object.rotated)) return false;
    const Box& box = object.box;
    const bool keypoints = std::all_of(object.keypoints.begin(), object.keypoints.end(), [](const Keypoint& point) {
        return std::isfinite(point.x) && std::isfinite(point.y) && std::isfinite(point.score);
    });
    return keypoints && std::isfinite(object.score) && std::isfinite(box.x0) && std::isfinite(box.y0) && std::isfinite(box.x1) &&
           std::isfinite(box.y1);
}

// Outputs that are finite may still become a box that is not.
void check_finite(const std::vector<Object>& objects) {
    if (!std::all_of(objects.begin(), objects.end(), [](const Object& object) { return finite(object); }))
        throw Failure(Exit::input, "an object's place or score is NaN or infinity; try --precision fp32");
}

}  // namespace

std::vector<Flag> frame_flags(const std::vector<Flag>& own) {
    const std::vector<Flag> labels{{"--labels", "FILE", "one label a line"}};
    return with_net_flags(join_flags({labels, input_flags(), draw_flags(), preview_flags(), preprocess_flags(), own}));
}

FramesPlan read_frames(const Args& args) {
    FramesPlan plan;
    plan.verb = args.verb();
    plan.inputs = read_inputs(args);
    if (args.has("--labels")) plan.labels = read_labels(args.text("--labels"));
    plan.draw = read_draw(args);
    return plan;
}

int process_frames(const FramesPlan& plan, const FindObjects& find) {
    // A stream ends by a signal as often as by its end: no line is cut in two.
    const SignalCallback on_signal(finish_lines);
    Drawings drawings(plan.draw, plan.labels);
    const Tally tally = for_each_frame(plan.verb, plan.inputs, [&](Frame& frame) {
        Stages ms;
        const std::vector<Object>& objects = find(frame.image, ms);
        check_finite(objects);
        ms.decode = frame.decode_ms;
        const Stopwatch watch;
        drawings.add(frame, objects);
        if (drawings.enabled()) ms.draw = watch.ms();
        write_line(objects_line(frame, objects, plan.labels, ms));
    });
    write_summary(tally);
    return tally.failed == 0 ? 0 : static_cast<int>(Exit::input);
}

namespace {

using Rehearse = void (*)(const Request& request, const HeadPlan& head, const Preprocess& steps, std::size_t labels);

// `Finder` makes objects of a picture.
template <typename Finder>
int run_finder(const Args& args, const FramesPlan& plan, const HeadPlan& head, Rehearse rehearse_net) {
    const Preprocess steps = read_fixed_preprocess(args);
    const Request request = read_request(args);
    rehearse_net(request, head, steps, plan.labels.size());
    const Model model(request);
    Finder find(model, head, steps);
    write_header(args, model, find.describe());
    return process_frames(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& { return find(image, ms); });
}

}  // namespace

int run_detector(const Args& args, const HeadPlan& head) { return run_finder<Detector>(args, read_frames(args), head, rehearse_detector); }

int run_segmenter(const Args& args, const HeadPlan& head) {
    FramesPlan plan = read_frames(args);
    plan.draw.regions = true;
    return run_finder<Segmenter>(args, plan, head, rehearse_segmenter);
}

void write_summary(const Tally& tally) {
    json::Object line;
    line.text("type", "summary").integer("images", tally.frames).integer("failed", tally.failed);
    if (tally.is_live) line.integer("dropped", tally.dropped).text("stopped", tally.ending);
    write_line(line.integer("peak_rss_kb", peak_rss_kb()).str());
}

}  // namespace nnrun
