#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace nnrun {

// Pixels of the picture; edges lie at whole numbers.
struct Box {
    float x0 = 0;
    float y0 = 0;
    float x1 = 0;
    float y1 = 0;
};

struct Keypoint {
    float x = 0;
    float y = 0;
    float score = 0;
};

// Which pixels of a picture are the object's, as COCO counts them: lengths of runs down one
// column after another, outside and inside by turns, outside first. Empty: there is no mask.
struct Mask {
    int width = 0;
    int height = 0;
    std::vector<std::uint32_t> runs;
};

// What was found in a picture.
struct Object {
    int label = 0;  // index into the labels
    float score = 0;
    Box box;
    int place = -1;  // of the dense head that told it, counted over all levels, row by row
    std::vector<Keypoint> keypoints;
    Mask mask;
    int id = -1;  // of its track
};

// Milliseconds of the steps from a file to its results.
struct Stages {
    double decode = 0;
    double pre = 0;
    double infer = 0;
    double post = 0;
    std::optional<double> track;  // where objects are followed
    double draw = 0;

    double total() const { return decode + pre + infer + post + track.value_or(0) + draw; }
};

}  // namespace nnrun
