#pragma once

#include <mat.h>

#include <vector>

namespace nnrun {

// The figures of piyard/model/tracker.py.
struct NanotrackPlan {
    int template_side = 127;  // of the backbone's input for what is looked for
    int search_side = 255;    // and for where it is looked for
    int stride = 16;          // pixels of the search between two places of the grid
    double context = 0.5;     // what is shown around the object, in sums of its sides
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

// What NanoTrack's head says of each place of a grid over the search, and the choice among them.
class NanotrackGrid {
public:
    explicit NanotrackGrid(const NanotrackPlan& plan);

    // `outputs`: n x n places with the logits of not being and being there, and with the sides
    // left, top, right, bottom; else a Failure with Exit::model. The object had that width and
    // height, in pixels of the search.
    Choice choose(const std::vector<ncnn::Mat>& outputs, double width, double height);

private:
    void bind(const std::vector<ncnn::Mat>& outputs);
    void lay_window();
    Choice at(int row, int column, double width, double height) const;

    NanotrackPlan plan_;
    ncnn::Mat scores_;
    ncnn::Mat sides_;
    std::vector<double> near_;  // a Hann window along the grid
};

}  // namespace nnrun
