#include "preprocess.h"

#include <array>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "resize.h"

namespace nnrun {
namespace {

int longer_side(int shorter_target, int longer, int shorter) {
    return static_cast<int>(static_cast<double>(static_cast<long long>(shorter_target) * longer) / shorter);
}

Image resize_shorter(const Image& image, int target, const std::string& resample) {
    const bool portrait = image.width <= image.height;
    const int longer = portrait ? longer_side(target, image.height, image.width) : longer_side(target, image.width, image.height);
    return portrait ? resize(image, target, longer, resample) : resize(image, longer, target, resample);
}

// Python's round(): halves go to the even neighbour.
int offset(int size, int crop) { return static_cast<int>(std::nearbyint((size - crop) / 2.0)); }

Image crop_center(const Image& image, int height, int width) {
    if (image.width < width || image.height < height)
        throw Failure(Exit::input, std::to_string(image.width) + "x" + std::to_string(image.height) +
                                       " pixels are less than the crop of " + std::to_string(width) + "x" +
                                       std::to_string(height) + "; use --resize or a smaller --crop");
    const int top = offset(image.height, height);
    const int left = offset(image.width, width);
    Image middle(width, height);
    for (int y = 0; y < height; ++y) std::memcpy(middle.row(y), image.row(top + y) + 3 * left, middle.stride());
    return middle;
}

// (level - mean) * norm for each of the 256 levels, as level * norm - mean * norm: the
// desktop's reference computes it so, and both must agree to the last bit.
std::array<float, 256> normalised(float mean, float norm) {
    const float bias = -mean * norm;
    std::array<float, 256> values{};
    for (std::size_t level = 0; level < values.size(); ++level)
        values[level] = static_cast<float>(static_cast<double>(level) * static_cast<double>(norm) + static_cast<double>(bias));
    return values;
}

}  // namespace

ncnn::Mat Preprocess::operator()(const Image& image) const {
    Image picture = shorter_side > 0 ? resize_shorter(image, shorter_side, resample) : image;
    if (!crop.empty()) picture = crop_center(picture, crop[0], crop[1]);
    ncnn::Mat input(picture.width, picture.height, 3);
    if (input.empty()) throw Failure(Exit::input, "not enough memory for the net's input");
    for (int c = 0; c < 3; ++c) {
        const auto i = static_cast<std::size_t>(c);
        const std::array<float, 256> values = normalised(mean[i], norm[i]);
        const std::uint8_t* from = picture.pixels.data() + (bgr ? 2 - i : i);
        float* to = input.channel(c);
        for (int at = 0; at < picture.width * picture.height; ++at) to[at] = values[from[3 * static_cast<std::size_t>(at)]];
    }
    return input;
}

json::Object Preprocess::json() const {
    json::Object object;
    if (shorter_side > 0)
        object.integer("resize", shorter_side).text("resample", resample);
    else
        object.raw("resize", "null").raw("resample", "null");
    object.raw("crop", crop.empty() ? "null" : json::integers(crop)).text("order", bgr ? "bgr" : "rgb");
    object.raw("mean", json::floats(mean)).raw("norm", json::floats(norm));
    return object;
}

std::vector<Flag> preprocess_flags() {
    return {
        {"--resize", "SHORT", "scale the shorter side to SHORT pixels; default: no resize"},
        {"--crop", "N|HxW", "cut out the centre; default: no crop"},
        {"--resample", "R", "bilinear, bicubic or nearest; default bilinear"},
        {"--order", "O", "rgb or bgr; default rgb"},
        {"--mean", "a,b,c", "input = (pixel - mean) * norm, pixels 0..255; default 0,0,0"},
        {"--norm", "a,b,c", "default 1,1,1"},
    };
}

Preprocess read_preprocess(const Args& args) {
    constexpr int largest_side = 16384;
    Preprocess steps;
    steps.shorter_side = args.integer("--resize", 1, largest_side, 0);
    if (args.has("--crop")) steps.crop = args.sizes("--crop", 'x', 1, 2);
    if (steps.crop.size() == 1) steps.crop.push_back(steps.crop.front());
    steps.resample = args.choice("--resample", {"bilinear", "bicubic", "nearest"}, "bilinear");
    steps.bgr = args.choice("--order", {"rgb", "bgr"}, "rgb") == "bgr";
    steps.mean = args.floats("--mean", 3, 0);
    steps.norm = args.floats("--norm", 3, 1);
    return steps;
}

}  // namespace nnrun
