#pragma once

#include <string>
#include <vector>

#include "io/image.h"
#include "vision/canvas.h"
#include "vision/objects.h"

namespace nnrun {

// Mixes `share` (0..1) of the colour into each pixel of the mask, which must be of that picture.
void tint(Image& image, const Mask& mask, double share, Colour colour);

// The keypoints with a score that is high enough, as dots; COCO's 17 also as limbs: those of the left side
// warm, those of the right side cold.
void draw_skeleton(Canvas& canvas, const std::vector<Keypoint>& keypoints, double thickness);

// Draws the objects on the picture: masks half transparent, boxes, rotated ones as they lie, with label and score,
// skeletons. Colours go by track where there is one, else by class; lines and letters are as
// large as suits the picture.
void draw_objects(Image& image, const std::vector<Object>& objects, const std::vector<std::string>& labels);

// Writes about the picture as a whole, into its left upper corner.
void draw_title(Image& image, const std::string& words);

// Draws regions on the picture, half transparent but for those labelled background, and a legend of
// the largest ones with their share of the picture.
void draw_regions(Image& image, const std::vector<Object>& regions, const std::vector<std::string>& labels);

}  // namespace nnrun
