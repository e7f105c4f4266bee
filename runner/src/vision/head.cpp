#include "vision/head.h"

#include <algorithm>

#include "core/failure.h"
#include "core/text.h"

namespace nnrun {

const std::vector<std::string> dense_kinds{"yolov8", "yolov5", "yolox", "nanodet", "rtmdet", "fcos"};

namespace {

std::string numbers(const std::vector<double>& items) {
    std::vector<std::string> each;
    for (const double item : items) each.push_back(json::number(item));
    return "[" + join(each, ",") + "]";
}

}  // namespace

json::Object HeadPlan::json() const {
    json::Object object;
    object.text("kind", kind);
    if (kind == "simcc") object.number("split", split);
    if (kind == "semantic") object.integer("map", map).number("threshold", threshold);
    if (!dense()) return object;
    object.raw("strides", json::integers(strides));
    if (kind == "yolov8" || kind == "nanodet") object.integer("bins", bins);
    if (!anchors.empty()) object.raw("anchors", numbers(anchors));
    if (end_to_end) object.boolean("end_to_end", true);
    if (!keypoints.empty()) object.raw("kpt_shape", json::integers(keypoints)).text("kpt_grid", keypoint_grid);
    if (task == Task::obb) object.text("angle", radians ? "radians" : "sigmoid");
    return object.number("score", score).number("nms", nms).integer("most", max_objects);
}

std::vector<Flag> region_flags() {
    return {
        {"--map", "N", "semantic: which of the net's outputs, from 0, has the maps of the classes; default 0"},
        {"--threshold", "X", "semantic: of a single map, pixels above it are of class 1; default 0"},
    };
}

HeadPlan read_regions(const Args& args) {
    HeadPlan plan;
    plan.kind = "semantic";
    plan.map = args.integer("--map", 0, 1000, 0);
    plan.threshold = args.number("--threshold", -1e30, 1e30, 0);
    return plan;
}

std::vector<Flag> head_flags(bool required) {
    return {
        {"--head", "KIND", "what the outputs mean: yolov8, yolov5, yolox, nanodet, rtmdet, fcos, simcc or heatmap", required},
        {"--strides", "N,N,...", "input pixels between two places of a map, map by map; default 8,16,32"},
        {"--bins", "N", "of a side's distribution, 1 of none; default 16 for yolov8, 8 for nanodet"},
        {"--anchors", "W,H,...", "yolov5: width and height of each anchor, map by map"},
        {"--one-to-one", "", "yolov8: each object is found once, so nothing is suppressed"},
        {"--keypoints", "NxV", "yolov8: keypoints and values of each, 2 or 3; default three a keypoint, of one class"},
        {"--keypoint-grid", "KIND", "yolov8: doubled, or centred as YOLO26's are; default doubled"},
        {"--angle", "KIND", "of rotated boxes: sigmoid or, as YOLO26 has it, radians; default sigmoid"},
        {"--score", "S", "objects below it are not reported; default 0.25"},
        {"--nms", "IOU", "of two boxes of a class that overlap more, the better one is kept; default 0.45"},
        {"--most", "N", "objects a picture; default 300"},
        {"--split", "N", "simcc: bins a pixel of the input; default 2"},
    };
}

namespace {

void read_yolov8(const Args& args, HeadPlan& plan) {
    plan.end_to_end = args.has("--one-to-one");
    plan.radians = args.choice("--angle", {"sigmoid", "radians"}, "sigmoid") == "radians";
    plan.keypoint_grid = args.choice("--keypoint-grid", {"doubled", "centred"}, "doubled");
    if (!args.has("--keypoints")) return;
    plan.keypoints = args.sizes("--keypoints", 'x', 2, 2);
    if (plan.keypoints[1] != 2 && plan.keypoints[1] != 3)
        args.reject(args.name("--keypoints") + " takes 2 or 3 values a keypoint, not '" + args.text("--keypoints") + "'");
}

void read_yolov5(const Args& args, HeadPlan& plan) {
    for (const std::string& part : split(args.text("--anchors"), ',')) {
        const auto side = parse_number(part);
        if (!side || !(*side > 0)) args.reject(args.name("--anchors") + " takes widths and heights above 0, not '" + part + "'");
        plan.anchors.push_back(*side);
    }
    if (plan.anchors.empty() || plan.anchors.size() % (2 * plan.strides.size()) != 0)
        args.reject(args.name("--anchors") + " needs two sides of as many anchors for each of " + std::to_string(plan.strides.size()) +
                    " strides");
}

}  // namespace

HeadPlan read_head(const Args& args, Task task, const std::vector<std::string>& kinds) {
    HeadPlan plan;
    plan.kind = args.choice("--head", kinds, kinds.front());
    plan.task = task;
    if (args.has("--strides")) plan.strides = args.sizes("--strides", ',', 1, 8);
    plan.bins = args.integer("--bins", 1, 100000, plan.kind == "nanodet" ? 8 : 16);
    plan.score = args.number("--score", 0, 1, 0.25);
    plan.nms = args.number("--nms", 0, 1, 0.45);
    plan.max_objects = args.integer("--most", 1, 100000, 300);
    plan.split = args.number("--split", 0.001, 16, 2);
    if (plan.kind == "yolov8") read_yolov8(args, plan);
    if (plan.kind == "yolov5") read_yolov5(args, plan);
    return plan;
}

namespace {

std::string list(const std::vector<Shape>& shapes) {
    std::vector<std::string> each;
    for (const Shape& shape : shapes) each.push_back(format_shape(shape));
    return join(each, "; ");
}

[[noreturn]] void refuse(const HeadPlan& head, const std::vector<Shape>& outputs, const std::string& expected) {
    throw Failure(Exit::model, "the net's outputs are not those of a " + head.kind + " head: expected " + expected + ", found " +
                                   (outputs.empty() ? "none" : list(outputs)) + "; check --head, --strides, --size and --output-blob");
}

int channels_of(const std::vector<Shape>& outputs, std::size_t first, std::size_t count) {
    int channels = 0;
    for (std::size_t i = first; i < first + count; ++i) channels += outputs[i][0];
    return channels;
}

// Of a pose net that says nothing of its keypoints there is one class, and what is left are they.
int extra_channels(const HeadPlan& head, int channels, const std::vector<Shape>& outputs) {
    if (head.task == Task::segment) return outputs.back()[0];
    if (head.task == Task::obb) return 1;
    if (head.task == Task::pose && !head.keypoints.empty()) return head.keypoints[0] * head.keypoints[1];
    if (head.task == Task::pose) return std::max(0, channels - 4 * head.bins - 1);
    return 0;
}

Layout layout_of(const HeadPlan& head, int channels, int extra) {
    const int own = channels - extra;
    const int sides = 4 * head.bins;
    const Range last{own, channels};
    if (head.kind == "yolov8") return {{0, sides}, {sides, own}, {}, last};
    if (head.kind == "yolox" || head.kind == "yolov5") return {{0, 4}, {5, own}, {4, 5}, last};
    if (head.kind == "nanodet") return {{own - sides, own}, {0, own - sides}, {}, last};
    if (head.kind == "rtmdet") return {{own - 4, own}, {0, own - 4}, {}, last};
    return {{own - 5, own - 1}, {0, own - 5}, {own - 1, own}, last};
}

Level level_of(int stride, const Shape& input, int first) {
    Level level;
    level.stride = stride;
    level.rows = (input[1] + stride - 1) / stride;
    level.columns = (input[2] + stride - 1) / stride;
    level.first = first;
    return level;
}

}  // namespace

Maps::Maps(const HeadPlan& head, const Shape& input, const std::vector<Shape>& outputs) : shapes_(outputs) {
    const std::size_t maps = outputs.size() - std::min(outputs.size(), head.globals());
    blobs_per_map_ = maps / head.strides.size();
    anchors_per_map_ = head.anchors_per_map();
    if (maps == 0 || maps % head.strides.size() != 0)
        refuse(head, outputs,
               "one output or more for each of " + std::to_string(head.strides.size()) + " strides" +
                   (head.globals() > 0 ? " and one of prototypes" : ""));
    if (head.task == Task::segment && outputs.back().size() != 3)
        refuse(head, outputs, "prototypes of coefficients,rows,columns at the end");
    for (std::size_t i = 0; i < head.strides.size(); ++i) add_levels(head, input, i);
    assign_channels(head);
}

void Maps::add_levels(const HeadPlan& head, const Shape& input, std::size_t index) {
    for (std::size_t anchor = 0; anchor < anchors_per_map_; ++anchor) {
        Level level = level_of(head.strides[index], input, levels_.empty() ? 0 : levels_.back().first + levels_.back().places());
        for (std::size_t i = index * blobs_per_map_; i < (index + 1) * blobs_per_map_; ++i)
            if (shapes_[i].size() != 3 || shapes_[i][1] != level.rows || shapes_[i][2] != level.columns)
                refuse(head, shapes_,
                       "maps of " + std::to_string(level.rows) + "x" + std::to_string(level.columns) + " at stride " +
                           std::to_string(level.stride) + " of an input of " + format_shape(input));
        if (!head.anchors.empty()) {
            const std::size_t at = 2 * (index * anchors_per_map_ + anchor);
            level.anchor_width = head.anchors[at];
            level.anchor_height = head.anchors[at + 1];
        }
        levels_.push_back(level);
    }
}

void Maps::assign_channels(const HeadPlan& head) {
    const int together = channels_of(shapes_, 0, blobs_per_map_);
    for (std::size_t i = 0; i < head.strides.size(); ++i)
        if (channels_of(shapes_, i * blobs_per_map_, blobs_per_map_) != together)
            refuse(head, shapes_, "the same number of channels at each stride");
    const int anchors = static_cast<int>(anchors_per_map_);
    if (together % anchors != 0) refuse(head, shapes_, "as many groups of channels as there are anchors, " + std::to_string(anchors));
    channels_ = together / anchors;
    layout_ = layout_of(head, channels_, extra_channels(head, channels_, shapes_));
    if (layout_.classes.size() < 1 || layout_.classes.begin < 0) refuse(head, shapes_, "more channels, as no class is left");
    if (head.task == Task::pose && (layout_.extra.size() == 0 || layout_.extra.size() % head.keypoint_values() != 0))
        refuse(head, shapes_, std::to_string(4 * head.bins + 1) + " channels of box and class, then three a keypoint");
    for (Level& level : levels_) level.planes.resize(static_cast<std::size_t>(channels_));
}

void Maps::bind(const std::vector<ncnn::Mat>& outputs) {
    for (std::size_t i = 0; i < outputs.size(); ++i)
        if (shape_of(outputs[i]) != shapes_[i])
            throw Failure(Exit::input, "output " + std::to_string(i) + " has the shape " + format_shape(shape_of(outputs[i])) + ", not " +
                                           format_shape(shapes_[i]));
    const auto channels = static_cast<std::size_t>(channels_);
    for (std::size_t map = 0; map < levels_.size() / anchors_per_map_; ++map) {
        std::size_t plane = 0;  // of all anchors of the map
        for (std::size_t blob = map * blobs_per_map_; blob < (map + 1) * blobs_per_map_; ++blob)
            for (int channel = 0; channel < outputs[blob].c; ++channel, ++plane)
                levels_[map * anchors_per_map_ + plane / channels].planes[plane % channels] = outputs[blob].channel(channel);
    }
}

Place Maps::place(int index) const {
    std::size_t at = 0;
    while (at + 1 < levels_.size() && levels_[at + 1].first <= index) ++at;
    const Level& level = levels_[at];
    const int inside = index - level.first;
    return {index, static_cast<int>(at), inside / level.columns, inside % level.columns, level.stride};
}

}  // namespace nnrun
