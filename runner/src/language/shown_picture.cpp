#include "language/shown_picture.h"

#include <algorithm>

#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/hash.h"
#include "net/probe.h"
#include "net/tensor.h"
#include "vision/feed.h"

namespace nnrun {
namespace {

std::uint64_t identity_of(const PicturePlan& plan) {
    Hash hash;
    add_samples(hash, plan.net.param);
    add_samples(hash, plan.net.bin);
    hash.add(plan.steps.json().str());
    const std::vector<unsigned char> bytes = read_file(plan.file, Exit::input);
    hash.add(bytes.data(), bytes.size());
    return hash.value();
}

}  // namespace

ShownPicture::ShownPicture(const PicturePlan& plan, int token, std::size_t rows)
    : plan_(plan), token_(token), rows_(identity_of(plan), rows) {
    const Stopwatch watch;
    read_image(plan.file, image_);
    times_.decode = watch.ms();
    // A run of this net takes long: loading it is what is tried.
    rehearse_model(plan.net, Shape(), "");
}

Tokens ShownPicture::place(Tokens prompt) const {
    const std::vector<int>& ids = rows_.ids();
    const auto count = static_cast<std::size_t>(std::count(prompt.begin(), prompt.end(), token_));
    if (count != ids.size())
        throw Failure(Exit::input, "the prompt has the picture's token " + std::to_string(token_) + " " + std::to_string(count) +
                                       " times, and a picture takes it " + std::to_string(ids.size()) + " times; leave it out of the text");
    auto next = ids.begin();
    for (int& token : prompt)
        if (token == token_) token = *next++;
    return prompt;
}

const PictureTimes& ShownPicture::encode(int width) {
    if (!rows_.is_filled()) rows_.fill(infer(width));
    return times_;
}

ncnn::Mat ShownPicture::infer(int width) {
    Stopwatch watch;
    Feed feed(plan_.steps);
    const ncnn::Mat& input = feed(image_);
    times_.pre = watch.lap();
    const Model model(plan_.net);
    times_.load = watch.lap();
    std::vector<ncnn::Mat> outputs(model.outputs().size());
    model.run(input, outputs);
    times_.infer = watch.lap();
    const ncnn::Mat& rows = outputs.front();
    if (rows.dims != 2 || rows.w != width || static_cast<std::size_t>(rows.h) != rows_.ids().size())
        throw Failure(Exit::model, plan_.net.param + ": encodes a picture as " + format_shape(shape_of(rows)) + ", and the model takes " +
                                       format_shape({static_cast<int>(rows_.ids().size()), width}));
    if (!all_finite(rows)) throw Failure(Exit::model, plan_.net.bin + ": the net computes NaN or infinity; convert it again");
    return rows.clone();
}

}  // namespace nnrun
