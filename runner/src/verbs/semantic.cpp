#include "verbs/frames.h"
#include "verbs/verbs.h"

namespace nnrun {

std::vector<Flag> semantic_flags() {
    const std::vector<Flag> own{{"--head", "KIND", "what the outputs mean: semantic"}};
    return frame_flags(join_flags({own, region_flags()}));
}

int semantic(const Args& args) {
    args.choice("--head", {"semantic"}, "semantic");
    return run_segmenter(args, read_regions(args));
}

}  // namespace nnrun
