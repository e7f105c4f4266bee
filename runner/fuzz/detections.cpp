// A MOTChallenge det.txt, tracked to its end: every number of every track is finite.

#include <cmath>

#include "core/failure.h"
#include "target.h"
#include "track/bytetrack.h"
#include "track/detections.h"

namespace {

void demand_finite(const nnrun::TrackedObject& track) {
    for (const double corner : track.box) nnrun::demand(std::isfinite(static_cast<float>(corner)));
    nnrun::demand(std::isfinite(static_cast<float>(track.score)) && track.id > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const nnrun::MemoryFile file(bytes, size);
    try {
        nnrun::ByteTracker tracker({});
        int last = 0;
        for (const auto& [frame, detections] : nnrun::read_detections(file.path())) {
            tracker.skip(frame - last - 1);
            for (const nnrun::TrackedObject& track : tracker.step(detections)) demand_finite(track);
            last = frame;
        }
    } catch (const nnrun::Failure& failure) {
        nnrun::demand(failure.code == nnrun::Exit::input);
    }
    return 0;
}
