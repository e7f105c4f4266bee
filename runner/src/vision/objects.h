#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nnrun {

// One direction: `length` pixels of the picture from `start` on became `scaled` of the input from
// `margin` on.
struct Axis {
    double length = 1;
    double scaled = 1;
    double margin = 0;
    double start = 0;

    double to_picture(double input) const { return (input - margin) * length / scaled + start; }
    double to_input(double picture) const { return (picture - start) * scaled / length + margin; }
};

// x0, y0, x1, y1, as exact as the desktop's reference computes them.
using Corners = std::array<double, 4>;

// Where a picture lies in the net's input, and the way back for what the net found there.
struct ImageTransform {
    int width = 0;  // of the picture
    int height = 0;
    Axis x;
    Axis y;

    // Clipped to the picture.
    Corners to_picture(const Corners& input) const;
    Corners clip(const Corners& picture) const;
};

// The centre and the sides in pixels; the angle in radians from the x axis towards the y axis. The width
// lies along the angle.
struct RotatedBox {
    double x = 0;
    double y = 0;
    double width = 0;
    double height = 0;
    double angle = 0;
};

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
// column after another, alternately outside and inside, outside first. Empty: there is no mask.
struct Mask {
    int width = 0;
    int height = 0;
    std::vector<std::uint32_t> runs;
};

// An object found in a picture.
struct Object {
    int label = 0;  // index into the labels
    float score = 0;
    Box box;
    std::optional<RotatedBox> rotated;  // which the box is around
    int place = -1;                     // of the dense head that found it, counted over all levels, row by row
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

// Objects of earlier pictures: later ones take over the memory of their keypoints and masks.
class ObjectPool {
public:
    // Empties the vector.
    void recycle(std::vector<Object>& objects);
    // A new one, without keypoints or a mask.
    Object acquire();

private:
    std::vector<Object> pool_;
};

// Grows a mask pixel by pixel, down the columns.
class MaskPen {
public:
    explicit MaskPen(Mask& mask);

    void put(bool inside, std::size_t pixels) {
        if (pixels == 0) return;
        if (inside != inside_) turn();
        mask_.runs.back() += static_cast<std::uint32_t>(pixels);
    }

private:
    void turn();

    Mask& mask_;
    bool inside_ = false;
};

std::size_t area(const Mask& mask);

// COCO's compressed counts: of each run the difference to the run two before it (the first three
// as they are), in groups of five bits, the lowest first. A group is the character 48 + its bits,
// + 32 where another group follows; the last one's highest bit is the sign.
std::string compressed(const Mask& mask);

}  // namespace nnrun
