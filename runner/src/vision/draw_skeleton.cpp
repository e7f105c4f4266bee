#include "vision/draw_skeleton.h"

namespace nnrun {
namespace {

constexpr float least_score = 0.3f;
constexpr std::size_t coco_keypoints = 17;

constexpr Colour left_side{255, 150, 30};
constexpr Colour right_side{40, 190, 255};
constexpr Colour middle{120, 235, 90};
constexpr Colour rim{20, 20, 20};

struct Limb {
    std::size_t from;
    std::size_t to;
};

// Nose 0; left and right by turns from 1 on: eyes, ears, shoulders, elbows, wrists, hips, knees,
// ankles (cocodataset.org, person_keypoints).
constexpr Limb limbs[] = {{15, 13}, {13, 11}, {16, 14}, {14, 12}, {11, 12}, {5, 11}, {6, 12}, {5, 6}, {5, 7}, {7, 9},
                          {6, 8},   {8, 10},  {0, 1},   {0, 2},   {1, 2},   {1, 3},  {2, 4},  {3, 5}, {4, 6}};

bool seen(const Keypoint& point) { return point.score >= least_score; }

Point at(const Keypoint& point) { return {static_cast<double>(point.x), static_cast<double>(point.y)}; }

Colour side(std::size_t keypoint) { return keypoint == 0 ? middle : keypoint % 2 == 1 ? left_side : right_side; }

// A limb between both sides, or one to the nose, belongs to neither.
Colour colour_of(const Limb& limb) {
    const bool one_side = limb.from != 0 && limb.to != 0 && limb.from % 2 == limb.to % 2;
    return one_side ? side(limb.from) : middle;
}

}  // namespace

void draw_skeleton(Canvas& canvas, const std::vector<Keypoint>& keypoints, double thickness) {
    const bool coco = keypoints.size() == coco_keypoints;
    if (coco)
        for (const Limb& limb : limbs)
            if (seen(keypoints[limb.from]) && seen(keypoints[limb.to]))
                canvas.line(at(keypoints[limb.from]), at(keypoints[limb.to]), thickness, colour_of(limb));
    for (std::size_t i = 0; i < keypoints.size(); ++i) {
        if (!seen(keypoints[i])) continue;
        canvas.disc(at(keypoints[i]), thickness * 1.5 + 0.5, rim);
        canvas.disc(at(keypoints[i]), thickness * 1.1 + 0.3, coco ? side(i) : distinct_colour(static_cast<int>(i)));
    }
}

}  // namespace nnrun
