// Standard input: the first byte says whether it is MJPEG or frames of YUV.

#include <memory>

#include "core/failure.h"
#include "io/streams.h"
#include "target.h"

namespace {

std::unique_ptr<nnrun::Inputs> open_stream(std::uint8_t kind) {
    if (kind < 192) return std::make_unique<nnrun::MjpegFrames>();
    return std::make_unique<nnrun::YuvFrames>(1 + kind % 8, 1 + kind / 8 % 8);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size == 0) return 0;
    const nnrun::MemoryFile file(bytes + 1, size - 1);
    nnrun::demand(::dup2(file.number(), STDIN_FILENO) == STDIN_FILENO);
    const std::unique_ptr<nnrun::Inputs> inputs = open_stream(bytes[0]);
    nnrun::Frame frame;
    // Each call goes on with the frame after it: there cannot be more than there are bytes.
    std::size_t calls = 0;
    for (bool more = true; more; nnrun::demand(++calls <= size)) {
        try {
            more = inputs->next(frame);
        } catch (const nnrun::Failure& failure) {
            nnrun::demand(failure.code == nnrun::Exit::input);
        }
    }
    return 0;
}
