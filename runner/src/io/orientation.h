#pragma once

#include <cstddef>

#include "io/image.h"

namespace nnrun {

// The Orientation tag (1 to 8) of an Exif block that starts at its TIFF header; 1 when
// there is none or it is broken.
int exif_orientation(const unsigned char* tiff, std::size_t size);

// The picture as its photographer held the camera.
void turn_upright(Image& image, int orientation);

}  // namespace nnrun
