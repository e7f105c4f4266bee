// A picture: a JPEG or a PNG.

#include "core/failure.h"
#include "io/image.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    nnrun::Image image;
    try {
        nnrun::decode_image({bytes, bytes + size}, image);
        nnrun::demand(image.width > 0 && image.height > 0 &&
                      image.pixels.size() == image.stride() * static_cast<std::size_t>(image.height));
    } catch (const nnrun::Failure& failure) {
        nnrun::demand(failure.code == nnrun::Exit::input);
    }
    return 0;
}
