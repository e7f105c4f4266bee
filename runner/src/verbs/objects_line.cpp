#include "verbs/objects_line.h"

#include "vision/rle.h"

namespace nnrun {
namespace {

std::string points(const std::vector<Keypoint>& keypoints) {
    std::vector<std::string> each;
    for (const Keypoint& point : keypoints) each.push_back(json::floats({point.x, point.y, point.score}));
    return json::array(each);
}

std::string mask_json(const Mask& mask) {
    return json::Object().raw("size", json::integers({mask.height, mask.width})).text("counts", compressed(mask)).str();
}

std::string object_json(const Object& object, const std::vector<std::string>& labels) {
    const auto label = static_cast<std::size_t>(object.label);
    json::Object line;
    line.integer("class", object.label).raw("label", label < labels.size() ? json::quote(labels[label]) : "null");
    line.raw("score", json::number(object.score));
    line.raw("box", json::floats({object.box.x0, object.box.y0, object.box.x1, object.box.y1}));
    if (!object.mask.runs.empty()) line.raw("mask", mask_json(object.mask));
    if (!object.keypoints.empty()) line.raw("keypoints", points(object.keypoints));
    if (object.id >= 0) line.integer("id", object.id);
    return line.str();
}

}  // namespace

json::Object ms_json(const Stages& ms) {
    json::Object object;
    object.number("decode", ms.decode).number("pre", ms.pre).number("infer", ms.infer).number("post", ms.post);
    if (ms.track) object.number("track", *ms.track);
    return object.number("draw", ms.draw);
}

std::string objects_line(const Frame& frame, const std::vector<Object>& objects, const std::vector<std::string>& labels,
                         const Stages& ms) {
    std::vector<std::string> each;
    for (const Object& object : objects) each.push_back(object_json(object, labels));
    json::Object line;
    line.text("type", "objects");
    frame.name(line).integer("width", frame.image.width).integer("height", frame.image.height);
    return line.raw("objects", json::array(each)).raw("ms", ms_json(ms).str()).str();
}

}  // namespace nnrun
