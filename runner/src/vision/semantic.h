#pragma once

#include <mat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/image.h"
#include "net/model.h"
#include "net/tensor.h"
#include "vision/feed.h"
#include "vision/head.h"
#include "vision/objects.h"
#include "vision/preprocess.h"

namespace nnrun {

// From scores (classes, rows, columns) to a region a class in the picture's own pixels, as
// piyard/vision/tasks/semantic.py says it: a pixel is of the class that is largest at the place its
// centre lies in, of equal ones the first. Of one map, class 1 is where it is above `threshold`. What
// the input does not show is of no class. Buffers stay from picture to picture.
class RegionDecoder {
public:
    // Of the net's input.
    RegionDecoder(int rows, int columns, float threshold) : rows_(rows), columns_(columns), threshold_(threshold) {}

    // One object a class, the largest first: its share of the picture as score, the box around it, its mask.
    void operator()(const ncnn::Mat& scores, const ImageTransform& transform, std::vector<Object>& objects);

private:
    void classify(const ncnn::Mat& scores);
    // Pixels of column x from `top` up to `bottom` are of that class.
    void add(int label, int x, int top, int bottom);
    void prepare(const ImageTransform& transform, std::size_t classes);
    void collect(std::size_t pixels, std::vector<Object>& objects);

    int rows_;
    int columns_;
    float threshold_;
    std::vector<int> classes_;  // of the places, row by row
    std::vector<float> best_;
    std::vector<Object> regions_;  // by class
    std::vector<MaskPen> pens_;
    std::vector<std::size_t> ends_;  // pixels of each region's mask so far
};

// From a picture to its regions.
class Segmenter {
public:
    // An output that the net does not have is a Failure with Exit::usage.
    Segmenter(const Model& model, const HeadPlan& head, const Preprocess& steps);

    // Valid until the next call. Sets ms.pre, ms.infer and ms.post.
    std::vector<Object>& operator()(const Image& image, Stages& ms);

    json::Object describe() const;

private:
    const Model& model_;
    HeadPlan head_;
    Preprocess steps_;
    Feed feed_;
    RegionDecoder decode_;
    std::vector<ncnn::Mat> outputs_;
    std::vector<Object> objects_;
};

// Loads the net in a child process and tries it there: is that output a map of as many classes as there are
// labels (0: any number will do)? Whatever is wrong is a Failure.
void rehearse_segmenter(const Request& request, const HeadPlan& head, const Preprocess& steps, std::size_t labels);

}  // namespace nnrun
