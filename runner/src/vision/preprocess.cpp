#include "vision/preprocess.h"

#include <algorithm>

namespace nnrun {
namespace {

constexpr int max_side = 16384;
constexpr int max_longest = 4096;

using Words = std::vector<std::string>;

void refuse(const Args& args, const Words& flags, const std::string& fit) {
    for (const std::string& flag : flags)
        if (args.has(flag)) args.reject(args.name(flag) + " cannot be combined with --fit " + fit);
}

std::vector<int> read_sides(const Args& args, const std::string& flag) {
    std::vector<int> sides = args.sizes(flag, 'x', 1, 2);
    if (sides.size() == 1) sides.push_back(sides.front());
    if (std::max(sides[0], sides[1]) > max_side) args.reject(args.name(flag) + " takes sizes up to " + std::to_string(max_side));
    return sides;
}

std::array<std::uint8_t, 3> read_levels(const Args& args, const std::string& flag) {
    const std::vector<float> values = args.floats(flag, 3, 114);
    std::array<std::uint8_t, 3> levels{};
    for (std::size_t i = 0; i < levels.size(); ++i) {
        levels[i] = static_cast<std::uint8_t>(std::clamp(values[i], 0.0f, 255.0f));
        if (static_cast<float>(levels[i]) != values[i]) args.reject(args.name(flag) + " takes three levels from 0 to 255");
    }
    return levels;
}

void read_crop(const Args& args, Preprocess& steps) {
    refuse(args, {"--size", "--pad", "--place", "--padding", "--longest"}, steps.fit);
    steps.shorter_side = args.integer("--resize", 1, max_side, 0);
    if (args.has("--crop")) steps.crop = read_sides(args, "--crop");
    steps.resample = args.choice("--resample", {"bilinear", "bicubic", "lanczos", "nearest"}, "bilinear");
}

void read_whole(const Args& args, Preprocess& steps) {
    refuse(args, {"--resize", "--crop"}, steps.fit);
    if (!args.has("--size")) args.reject("--fit " + steps.fit + " needs " + args.name("--size"));
    steps.size = read_sides(args, "--size");
    if (steps.fit != "letterbox") refuse(args, {"--pad", "--place"}, steps.fit);
    if (steps.fit != "box") refuse(args, {"--padding"}, steps.fit);
    if (steps.fit == "box") refuse(args, {"--resample"}, steps.fit);
    if (steps.fit != "stretch") refuse(args, {"--longest"}, steps.fit);
    steps.pad = read_levels(args, "--pad");
    steps.centred = args.choice("--place", {"centre", "topleft"}, "centre") == "centre";
    steps.padding = args.number("--padding", 1, 4, 1.25);
    steps.resample = args.choice("--resample", {"linear", "bilinear", "bicubic", "lanczos", "nearest"}, "linear");
    steps.longest = args.integer("--longest", 1, max_longest, 0);
    if (steps.longest > 0 && steps.resample == "linear") args.reject("--longest needs another " + args.name("--resample") + " than linear");
}

json::Object geometry(const Preprocess& steps) {
    json::Object object;
    object.text("fit", steps.fit);
    if (steps.fit != "crop") {
        object.raw("size", json::integers(steps.size)).text("resample", steps.resample);
    } else {
        if (steps.shorter_side > 0)
            object.integer("resize", steps.shorter_side).text("resample", steps.resample);
        else
            object.raw("resize", "null").raw("resample", "null");
        object.raw("crop", steps.crop.empty() ? "null" : json::integers(steps.crop));
    }
    if (steps.longest > 0) object.integer("longest", steps.longest);
    if (steps.fit == "letterbox")
        object.raw("pad", json::integers({steps.pad.begin(), steps.pad.end()})).text("place", steps.centred ? "centre" : "topleft");
    if (steps.fit == "box") object.number("padding", steps.padding);
    return object;
}

}  // namespace

std::vector<int> Preprocess::shape() const {
    const std::vector<int>& sides = fit == "crop" ? crop : size;
    return sides.empty() ? sides : std::vector<int>{static_cast<int>(channels()), sides[0], sides[1]};
}

json::Object Preprocess::json() const {
    json::Object object = geometry(*this);
    object.text("order", order);
    object.raw("mean", json::floats(mean)).raw("norm", json::floats(norm));
    return object;
}

std::vector<Flag> preprocess_flags() {
    return {
        {"--fit", "F", "crop, letterbox, stretch or box; default crop"},
        {"--resize", "SHORT", "crop: scale the shorter side to SHORT pixels; default: no resize"},
        {"--crop", "N|HxW", "crop: cut out the centre; default: no crop"},
        {"--size", "N|HxW", "all but crop: of the net's input"},
        {"--pad", "r,g,b", "letterbox: levels of the rest; default 114,114,114"},
        {"--place", "P", "letterbox: centre or topleft; default centre"},
        {"--padding", "X", "box: what is shown, in sides of the object, 1 to 4; default 1.25"},
        {"--longest", "N", "stretch: resize the long side to N pixels first; default: no"},
        {"--resample", "R", "linear (all but crop), bilinear, bicubic, lanczos or nearest; default bilinear for crop, else linear"},
        {"--order", "O", "rgb, bgr, gray (luma), rgba or bgra (alpha is 255); default rgb"},
        {"--mean", "a,b,c", "input = (pixel - mean) * norm of each channel, pixels 0..255; default 0"},
        {"--norm", "a,b,c", "default 1"},
    };
}

Preprocess read_preprocess(const Args& args) {
    Preprocess steps;
    steps.fit = args.choice("--fit", {"crop", "letterbox", "stretch", "box"}, "crop");
    if (steps.fit == "crop")
        read_crop(args, steps);
    else
        read_whole(args, steps);
    steps.order = args.choice("--order", {"rgb", "bgr", "gray", "rgba", "bgra"}, "rgb");
    const std::size_t channels = steps.order == "gray" ? 1 : steps.order.size();
    steps.mean = args.floats("--mean", channels, 0);
    steps.norm = args.floats("--norm", channels, 1);
    return steps;
}

Preprocess read_fixed_preprocess(const Args& args) {
    Preprocess steps = read_preprocess(args);
    if (steps.shape().empty()) args.reject("the input's size is missing: give " + args.name("--fit") + " and " + args.name("--size"));
    return steps;
}

}  // namespace nnrun
