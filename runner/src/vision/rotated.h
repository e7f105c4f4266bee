#pragma once

#include <array>
#include <vector>

#include "vision/canvas.h"
#include "vision/head.h"
#include "vision/objects.h"

namespace nnrun {

// The rotated box predicted at a place, in pixels of the net's input (piyard/vision/tasks/obb.py).
RotatedBox rotated_box_at(const HeadPlan& head, const Maps& maps, const Place& place);

// From the net's input to the picture, with an angle from 0 to pi / 2; not clipped.
RotatedBox to_picture(const RotatedBox& box, const ImageTransform& transform);

// The upright box around it.
Corners enclosing(const RotatedBox& box);

// Its four corners, in turn.
std::array<Point, 4> corners_of(const RotatedBox& box);

// A uniform density on a box has this covariance.
struct Gaussian {
    explicit Gaussian(const RotatedBox& box);

    double x;
    double y;
    double xx;
    double yy;
    double xy;
    double volume;  // the determinant
    double reach;   // the square of the box's longer side
};

// ProbIoU, 1 - the Hellinger distance of the two (Llerena et al. 2021, arXiv:2106.06072), from 0 to 1.
double likeness(const Gaussian& a, const Gaussian& b);

// Which boxes of a picture stay. One goes where any better one of its class is more alike than the
// threshold, even one that goes itself: Fast NMS, as Ultralytics has it for rotated boxes.
class RotatedFilter {
public:
    explicit RotatedFilter(double max_likeness);

    void clear() { seen_.clear(); }
    // Boxes come best first. Does it stay?
    bool add(int label, const RotatedBox& box);

private:
    struct Seen {
        int label;
        Gaussian gaussian;
    };

    double max_likeness_;
    double max_distance_;
    std::vector<Seen> seen_;
};

}  // namespace nnrun
