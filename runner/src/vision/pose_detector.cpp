#include "vision/pose_detector.h"

#include "core/clock.h"
#include "vision/keypoints.h"

namespace nnrun {

std::vector<Object>& PoseDetector::operator()(const Image& image, Stages& ms) {
    std::vector<Object>& people = detect_(image, ms);
    const Stopwatch watch;
    for (Object& person : people) read_keypoints(detect_.maps(), detect_.placing(), person);
    ms.post += watch.ms();
    return people;
}

}  // namespace nnrun
