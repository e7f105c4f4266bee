#pragma once

#include <mat.h>

#include <string>
#include <vector>

#include "core/args.h"
#include "core/json.h"
#include "net/tensor.h"

namespace nnrun {

enum class Task { detect, segment, pose, obb };

// What a net's outputs mean (piyard/vision/schema.py says it in full).
struct HeadPlan {
    std::string kind;  // yolov8, yolov5, yolox, nanodet, rtmdet or fcos; for keypoints simcc or heatmap; for pixels semantic
    Task task = Task::detect;
    std::vector<int> strides{8, 16, 32};
    int bins = 16;
    double score = 0.25;
    double nms = 0.45;
    int max_objects = 300;
    double split = 2;                       // bins of simcc a pixel of the input
    bool end_to_end = false;                // yolov8: nothing is suppressed, each class of a place counts
    std::vector<int> keypoints;             // yolov8: their number and the values of each; empty: three a keypoint, one class
    int map = 0;                            // semantic: of the output with the maps, among the net's
    double threshold = 0;                   // semantic: of one map, class 1 is above it
    std::string keypoint_grid = "doubled";  // or centred: YOLO26's
    bool radians = false;                   // task obb: what an angle's channel holds; else (sigmoid - 1/4) x pi is

    bool dense() const { return kind != "simcc" && kind != "heatmap" && kind != "semantic"; }
    bool every_class() const { return kind == "fcos" || end_to_end; }
    std::vector<double> anchors;  // yolov5: width and height of each, map by map
    std::size_t anchors_per_map() const { return anchors.empty() ? 1 : anchors.size() / 2 / strides.size(); }
    int keypoint_values() const { return keypoints.empty() ? 3 : keypoints[1]; }
    json::Object json() const;
    // Outputs at the end that belong to no level.
    std::size_t globals() const { return task == Task::segment ? 1 : 0; }
};

// Of a net for task semantic.
std::vector<Flag> region_flags();
HeadPlan read_regions(const Args& args);

// `required`: whether --head must be given.
std::vector<Flag> head_flags(bool required);
HeadPlan read_head(const Args& args, Task task, const std::vector<std::string>& kinds);

extern const std::vector<std::string> dense_kinds;

// Channels from `begin` up to `end`.
struct Range {
    int begin = 0;
    int end = 0;

    int size() const { return end - begin; }
};

// Which of a place's channels mean what; an empty range where a head has no such thing.
struct Layout {
    Range box;
    Range classes;
    Range object;  // YOLOX's object, FCOS's centredness
    Range extra;   // mask coefficients, keypoints or an angle
};

// A place of a dense head's maps; where there are anchors, each of them has a level of its own.
struct Place {
    int index = 0;  // over all levels, row by row
    int level = 0;
    int row = 0;
    int column = 0;
    int stride = 0;
};

struct Level {
    int stride = 0;
    int rows = 0;
    int columns = 0;
    int first = 0;                     // index of its first place
    std::vector<const float*> planes;  // one a channel
    double anchor_width = 0;
    double anchor_height = 0;

    int places() const { return rows * columns; }
};

// A dense head's outputs, seen as planes of channels, level by level.
class Maps {
public:
    // `input` is the shape of the net's input, `outputs` those of what it makes of it; what
    // does not fit the head is a Failure with Exit::model that says what was expected.
    Maps(const HeadPlan& head, const Shape& input, const std::vector<Shape>& outputs);

    // Of the next picture; their memory must outlive the use of the values.
    void bind(const std::vector<ncnn::Mat>& outputs);

    const std::vector<Level>& levels() const { return levels_; }
    const Layout& layout() const { return layout_; }
    int channels() const { return channels_; }
    Place place(int index) const;
    float value(const Place& place, int channel) const {
        const Level& level = levels_[static_cast<std::size_t>(place.level)];
        return level.planes[static_cast<std::size_t>(channel)][place.row * level.columns + place.column];
    }

private:
    void add_levels(const HeadPlan& head, const Shape& input, std::size_t index);
    void assign_channels(const HeadPlan& head);

    std::vector<Shape> shapes_;  // of the outputs
    std::vector<Level> levels_;
    int channels_ = 0;
    Layout layout_;
    std::size_t blobs_per_map_ = 0;
    std::size_t anchors_per_map_ = 1;
};

}  // namespace nnrun
