#pragma once

#include "io/image.h"
#include "vision/draw_colour.h"
#include "vision/objects.h"

namespace nnrun {

// Mixes `share` (0..1) of the colour into each pixel of the mask, which must be of that picture.
void tint(Image& image, const Mask& mask, double share, Colour colour);

}  // namespace nnrun
