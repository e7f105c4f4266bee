#pragma once

#include <string>
#include <vector>

#include "io/image.h"
#include "vision/objects.h"

namespace nnrun {

// Paints what was found on the picture: masks half transparent, boxes with label and score,
// skeletons. Colours go by track where there is one, else by class; lines and letters are as
// large as the picture wants.
void draw_objects(Image& image, const std::vector<Object>& objects, const std::vector<std::string>& labels);

}  // namespace nnrun
