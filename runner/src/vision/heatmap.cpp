#include "vision/heatmap.h"

#include <algorithm>

namespace nnrun {
namespace {

// Towards the larger one of the neighbours `step` values away; 0 where there is only one.
double quarter(const float* value, int at, int count, int step) {
    if (at == 0 || at == count - 1 || value[step] == value[-step]) return 0;
    return value[step] > value[-step] ? 0.25 : -0.25;
}

}  // namespace

void read_heatmaps(const ncnn::Mat& maps, int input_rows, int input_columns, const Placing& placing,
                   std::vector<Keypoint>& keypoints) {
    keypoints.clear();
    for (int i = 0; i < maps.c; ++i) {
        const float* const map = maps.channel(i);
        const int at = static_cast<int>(std::max_element(map, map + maps.w * maps.h) - map);
        const int column = at % maps.w;
        const int row = at / maps.w;
        const double x = (column + quarter(map + at, column, maps.w, 1)) * (static_cast<double>(input_columns) / maps.w);
        const double y = (row + quarter(map + at, row, maps.h, maps.w)) * (static_cast<double>(input_rows) / maps.h);
        keypoints.push_back({static_cast<float>(placing.x.back(x)), static_cast<float>(placing.y.back(y)), map[at]});
    }
}

}  // namespace nnrun
