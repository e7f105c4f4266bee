#pragma once

#include <mat.h>

#include <array>
#include <cstdint>
#include <vector>

#include "io/image.h"
#include "net/model.h"
#include "vision/feed.h"
#include "vision/objects.h"
#include "vision/resample.h"

namespace nnrun {

// The figures of piyard/vision/schema.py.
struct NanotrackPlan {
    int template_side = 127;  // of the backbone's input for the template
    int search_side = 255;    // and for the search
    int stride = 16;          // pixels of the search between two places of the grid
    double context = 0.5;     // shown around the object, in sums of its sides
    double penalty = 0.138;   // for a changing size or shape
    double window = 0.455;    // share of the nearness to where it was
    double rate = 0.348;      // at which the size follows
};

// The side of the square that shows a box with its surroundings.
double reach(double width, double height, double context);

// A box of the grid: its centre from the middle of the search, and its sides, in pixels there.
struct Choice {
    double x = 0;
    double y = 0;
    double width = 0;
    double height = 0;
    double score = 0;
    double penalty = 0;
};

// The output of NanoTrack's head at each place of a grid over the search, and the choice among them.
class NanotrackGrid {
public:
    explicit NanotrackGrid(const NanotrackPlan& plan);

    // `outputs`: n x n places with the logits of background and object, and with the distances
    // to the sides left, top, right, bottom; else a Failure with Exit::model. The object had that width and
    // height, in pixels of the search.
    Choice choose(const std::vector<ncnn::Mat>& outputs, double width, double height);

private:
    void bind(const std::vector<ncnn::Mat>& outputs);
    void make_window();
    Choice at(int row, int column, double width, double height) const;

    NanotrackPlan plan_;
    ncnn::Mat scores_;
    ncnn::Mat sides_;
    std::vector<double> window_;  // a Hann window along the grid
};

struct TrackedBox {
    Corners box;  // it may reach beyond the picture
    double score;
};

// Follows one object, searching around where it was for what it looked like at first: NanoTrack as
// piyard/vision/nanotrack.py has it. Two nets: a backbone for pictures of any size, and a head
// that takes features of the template, then those of the search.
class NanoTracker {
public:
    NanoTracker(const Model& backbone, const Model& head, const NanotrackPlan& plan, const Normalizer& normalizer);

    // What is in the box is the object. Sets ms.pre and ms.infer.
    TrackedBox begin(const Image& image, const Corners& box, Stages& ms);
    // Where it is in the next frame. Sets ms.pre, ms.infer and ms.post.
    TrackedBox step(const Image& image, Stages& ms);

private:
    double reach() const;
    void fill_input(const Image& image, double side, ncnn::Mat& input);
    void compare();
    void move(const Choice& best, double scale, const Image& image);

    const Model& backbone_;
    const Model& head_;
    NanotrackPlan plan_;
    Normalizer normalizer_;
    RegionSampler sampler_;
    NanotrackGrid grid_;
    std::array<std::uint8_t, 3> border_{};  // stands for what is outside the picture

    // Where the object is: the (fractional) index of the pixel in its centre, and its sides.
    double x_ = 0;
    double y_ = 0;
    double width_ = 0;
    double height_ = 0;

    ncnn::Mat template_input_;
    ncnn::Mat search_input_;
    std::vector<ncnn::Mat> features_;  // the backbone's output
    std::array<ncnn::Mat, 2> pair_;    // of the template and of the search
    std::vector<ncnn::Mat> compared_;
};

// Whether the box overlaps a picture of that size.
bool overlaps(const Corners& box, int width, int height);

// Loads the two nets in a child process and tries them there; what is wrong is a Failure.
void rehearse_nanotrack(const Request& backbone, const Request& head, const NanotrackPlan& plan, const Normalizer& normalizer);

}  // namespace nnrun
