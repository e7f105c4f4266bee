#include "vision/segmenter.h"

#include "core/clock.h"

namespace nnrun {

Segmenter::Segmenter(const Model& model, const HeadPlan& head, const Preprocess& steps)
    : detect_(model, head, steps), decode_(steps.shape()[1], steps.shape()[2]) {}

std::vector<Object>& Segmenter::operator()(const Image& image, Stages& ms) {
    std::vector<Object>& objects = detect_(image, ms);
    const Stopwatch watch;
    for (Object& object : objects) {
        read_coefficients(object.place);
        decode_(detect_.outputs().back(), coefficients_, detect_.placing(), object.box, object.mask);
    }
    ms.post += watch.ms();
    return objects;
}

void Segmenter::read_coefficients(int place) {
    const Maps& maps = detect_.maps();
    const Place at = maps.place(place);
    coefficients_.clear();
    for (int channel = maps.layout().extra.begin; channel < maps.layout().extra.end; ++channel)
        coefficients_.push_back(maps.value(at, channel));
}

}  // namespace nnrun
