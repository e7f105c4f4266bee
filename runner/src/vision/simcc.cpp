#include "vision/simcc.h"

#include <algorithm>

namespace nnrun {
namespace {

int largest(const float* values, int count) { return static_cast<int>(std::max_element(values, values + count) - values); }

}  // namespace

void read_simcc(const ncnn::Mat& x, const ncnn::Mat& y, double split, const Placing& placing, std::vector<Keypoint>& keypoints) {
    keypoints.clear();
    for (int i = 0; i < x.h; ++i) {
        const int column = largest(x.row(i), x.w);
        const int row = largest(y.row(i), y.w);
        keypoints.push_back({static_cast<float>(placing.x.back(column / split)), static_cast<float>(placing.y.back(row / split)),
                             std::min(x.row(i)[column], y.row(i)[row])});
    }
}

}  // namespace nnrun
