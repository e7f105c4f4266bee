#pragma once

#include <mat.h>

#include <array>
#include <cstdint>
#include <vector>

#include "io/image.h"
#include "net/model.h"
#include "track/nanotrack_grid.h"
#include "vision/levels.h"
#include "vision/objects.h"
#include "vision/placing.h"
#include "vision/window.h"

namespace nnrun {

struct Followed {
    Corners box;  // it may reach beyond the picture
    double score;
};

// One object, looked for around where it was, by what it looked like at first: NanoTrack as
// piyard/tracking/nanotrack.py has it. Two nets: a backbone for pictures of any size, and a head
// that takes features of the template, then those of the search.
class NanoTracker {
public:
    NanoTracker(const Model& backbone, const Model& head, const NanotrackPlan& plan, const Levels& levels);

    // What is in the box is the object. Sets ms.pre and ms.infer.
    Followed begin(const Image& image, const Corners& box, Stages& ms);
    // Where it is in the next frame. Sets ms.pre, ms.infer and ms.post.
    Followed step(const Image& image, Stages& ms);

private:
    double reach() const;
    void show(const Image& image, double side, ncnn::Mat& input);
    void compare();
    void move(const Choice& best, double scale, const Image& image);

    const Model& backbone_;
    const Model& head_;
    NanotrackPlan plan_;
    Levels levels_;
    Window window_;
    NanotrackGrid grid_;
    std::array<std::uint8_t, 3> beyond_{};  // stands for what is outside the picture

    // Where the object is: the (fractional) index of the pixel in its centre, and its sides.
    double x_ = 0;
    double y_ = 0;
    double width_ = 0;
    double height_ = 0;

    ncnn::Mat template_input_;
    ncnn::Mat search_input_;
    std::vector<ncnn::Mat> features_;   // the backbone's output
    std::array<ncnn::Mat, 2> pair_;     // of the template and of the search
    std::vector<ncnn::Mat> compared_;
};

// Whether the box shows anything of a picture of that size.
bool shows(const Corners& box, int width, int height);

// Loads the two nets in a child process and tries them there; what is wrong is a Failure.
void rehearse_nanotrack(const Request& backbone, const Request& head, const NanotrackPlan& plan, const Levels& levels);

}  // namespace nnrun
