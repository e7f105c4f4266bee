#include "vision/semantic.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "core/failure.h"
#include "core/rehearsal.h"
#include "net/probe.h"

namespace nnrun {
namespace {

constexpr int outside = -1;

// Where each pixel's centre lies among `places` over an input of `input` pixels; outside of it nowhere.
std::vector<int> places_of(const Axis& axis, int pixels, int input, int places) {
    std::vector<int> at;
    for (int pixel = 0; pixel < pixels; ++pixel) {
        const double inside = axis.to_input(pixel + 0.5);
        const bool shown = inside >= 0 && inside < input;
        at.push_back(shown ? std::min(places - 1, static_cast<int>(std::floor(inside * places / input))) : outside);
    }
    return at;
}

void widen(Box& box, int x, int top, int bottom) {
    box.x0 = std::min(box.x0, static_cast<float>(x));
    box.x1 = std::max(box.x1, static_cast<float>(x + 1));
    box.y0 = std::min(box.y0, static_cast<float>(top));
    box.y1 = std::max(box.y1, static_cast<float>(bottom));
}

}  // namespace

void RegionDecoder::operator()(const ncnn::Mat& scores, const ImageTransform& transform, std::vector<Object>& objects) {
    classify(scores);
    prepare(transform, scores.c == 1 ? 2 : static_cast<std::size_t>(scores.c));
    const std::vector<int> columns = places_of(transform.x, transform.width, columns_, scores.w);
    const std::vector<int> rows = places_of(transform.y, transform.height, rows_, scores.h);
    for (int x = 0; x < transform.width; ++x) {
        const int column = columns[static_cast<std::size_t>(x)];
        const auto class_at = [&](int y) {
            const int row = rows[static_cast<std::size_t>(y)];
            return row == outside || column == outside ? outside : classes_[static_cast<std::size_t>(row * scores.w + column)];
        };
        for (int top = 0, bottom = 0; top < transform.height; top = bottom) {
            const int label = class_at(top);
            bottom = top + 1;
            while (bottom < transform.height && class_at(bottom) == label) ++bottom;
            if (label != outside) add(label, x, top, bottom);
        }
    }
    collect(static_cast<std::size_t>(transform.width) * static_cast<std::size_t>(transform.height), objects);
}

void RegionDecoder::prepare(const ImageTransform& transform, std::size_t classes) {
    regions_.assign(classes, Object());
    ends_.assign(classes, 0);
    pens_.clear();
    for (Object& region : regions_) {
        region.label = static_cast<int>(pens_.size());
        region.mask.width = transform.width;
        region.mask.height = transform.height;
        region.box = {static_cast<float>(transform.width), static_cast<float>(transform.height), 0, 0};
        pens_.emplace_back(region.mask);
    }
}

void RegionDecoder::add(int label, int x, int top, int bottom) {
    const auto index = static_cast<std::size_t>(label);
    const auto height = static_cast<std::size_t>(regions_[index].mask.height);
    const std::size_t begin = static_cast<std::size_t>(x) * height + static_cast<std::size_t>(top);
    const auto pixels = static_cast<std::size_t>(bottom - top);
    pens_[index].put(false, begin - ends_[index]);
    pens_[index].put(true, pixels);
    ends_[index] = begin + pixels;
    widen(regions_[index].box, x, top, bottom);
}

void RegionDecoder::collect(std::size_t pixels, std::vector<Object>& objects) {
    objects.clear();
    for (std::size_t i = 0; i < regions_.size(); ++i) {
        if (ends_[i] == 0) continue;
        pens_[i].put(false, pixels - ends_[i]);
        regions_[i].score = static_cast<float>(static_cast<double>(area(regions_[i].mask)) / static_cast<double>(pixels));
        objects.push_back(regions_[i]);
    }
    std::stable_sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) { return a.score > b.score; });
}

void RegionDecoder::classify(const ncnn::Mat& scores) {
    const auto places = static_cast<std::size_t>(scores.w) * static_cast<std::size_t>(scores.h);
    classes_.assign(places, 0);
    const float* const first = scores.channel(0);
    if (scores.c == 1) {
        for (std::size_t i = 0; i < places; ++i) classes_[i] = first[i] > threshold_ ? 1 : 0;
        return;
    }
    best_.assign(first, first + places);
    for (int channel = 1; channel < scores.c; ++channel) {
        const float* const values = scores.channel(channel);
        for (std::size_t i = 0; i < places; ++i) {
            if (!(values[i] > best_[i])) continue;
            best_[i] = values[i];
            classes_[i] = channel;
        }
    }
}

namespace {

std::size_t map_of(const Model& model, const HeadPlan& head) {
    const auto map = static_cast<std::size_t>(head.map);
    if (map < model.outputs().size()) return map;
    throw Failure(Exit::usage, "--map " + std::to_string(head.map) + ": the net has " + std::to_string(model.outputs().size()) +
                                   " outputs, the first one is 0");
}

}  // namespace

Segmenter::Segmenter(const Model& model, const HeadPlan& head, const Preprocess& steps)
    : model_(model),
      head_(head),
      steps_(steps),
      feed_(steps),
      decode_(steps.shape()[1], steps.shape()[2], static_cast<float>(head.threshold)),
      outputs_(model.outputs().size()) {
    map_of(model, head);
}

std::vector<Object>& Segmenter::operator()(const Image& image, Stages& ms) {
    Stopwatch watch;
    const ncnn::Mat& input = feed_(image);
    ms.pre = watch.lap();
    model_.run(input, outputs_);
    ms.infer = watch.lap();
    const ncnn::Mat& scores = outputs_[static_cast<std::size_t>(head_.map)];
    if (!all_finite(scores)) throw Failure(Exit::input, "the net's output holds NaN or infinity; try --precision fp32");
    decode_(scores, feed_.transform(), objects_);
    ms.post = watch.lap();
    return objects_;
}

json::Object Segmenter::describe() const {
    json::Object input = steps_.json();
    return input.text("blob", model_.input().name).raw("head", head_.json().str());
}

void rehearse_segmenter(const Request& request, const HeadPlan& head, const Preprocess& steps, std::size_t labels) {
    rehearse(request.param, [&] {
        const StderrCapture captured;
        const Model model(request);
        const Shape shape = probe(model, steps.shape(), "check --size")[map_of(model, head)];
        if (shape.size() < 2)
            throw Failure(Exit::model, "the net's output has the shape " + format_shape(shape) + ", not classes,rows,columns; check --map");
        const int classes = shape.size() == 2 || shape[0] == 1 ? 2 : shape[0];
        if (labels != 0 && labels != static_cast<std::size_t>(classes))
            throw Failure(Exit::input,
                          "--labels holds " + std::to_string(labels) + " lines and the net has " + std::to_string(classes) + " classes");
        return std::string();
    });
}

}  // namespace nnrun
