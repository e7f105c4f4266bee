#include "vision/semantic.h"

#include "verbs/common.h"
#include "verbs/frames.h"
#include "verbs/verbs.h"
#include "vision/preprocess.h"

namespace nnrun {

std::vector<Flag> semantic_flags() {
    std::vector<Flag> own{{"--head", "KIND", "what the outputs mean: semantic"}};
    const std::vector<Flag> regions = region_flags();
    own.insert(own.end(), regions.begin(), regions.end());
    return frame_flags(own);
}

int semantic(const Args& args) {
    FramesPlan plan = read_frames(args);
    plan.draw.regions = true;
    args.choice("--head", {"semantic"}, "semantic");
    const HeadPlan head = read_regions(args);
    const Preprocess steps = read_fixed_preprocess(args);
    const Request request = read_request(args);
    rehearse_segmenter(request, head, steps, plan.labels.size());
    const Model model(request);
    Segmenter segmenter(model, head, steps);
    write_header(args, model, segmenter.describe());
    return process_frames(plan, [&](const Image& image, Stages& ms) -> std::vector<Object>& { return segmenter(image, ms); });
}

}  // namespace nnrun
