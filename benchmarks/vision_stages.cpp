// One stage of nnrun detect, over and over, so that its instructions can be counted:
//   vision_stages pre|infer|all PICTURE LOOPS [the flags of nnrun detect]

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/failure.h"
#include "io/image.h"
#include "verbs/common.h"
#include "verbs/verbs.h"
#include "vision/detector.h"
#include "vision/feed.h"

namespace {

using namespace nnrun;

int count_objects(const std::string& stage, const std::string& picture, int loops, const Args& args) {
    const Preprocess steps = read_fixed_preprocess(args);
    const Model model(read_request(args));
    const Image image = read_image(picture);
    Feed feed(steps);
    Detector detector(model, read_head(args, Task::detect, dense_kinds), steps);
    std::vector<ncnn::Mat> outputs(model.outputs().size());
    const ncnn::Mat input = feed(image).clone();
    Stages ms;
    std::size_t found = 0;
    for (int i = 0; i < loops; ++i) {
        if (stage == "pre") feed(image);
        if (stage == "infer") model.run(input, outputs);
        if (stage == "all") found = detector(image, ms).size();
    }
    return static_cast<int>(found);
}

}  // namespace

int main(int count, char** words) {
    if (count < 4) return 2;
    try {
        const nnrun::Args args({"detect", "", "", nnrun::detect_flags()}, {words + 4, words + count});
        std::printf("%d\n", count_objects(words[1], words[2], std::atoi(words[3]), args));
        return 0;
    } catch (const nnrun::Failure& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
}
