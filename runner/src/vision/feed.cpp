#include "vision/feed.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/failure.h"
#include "vision/resample.h"

#ifdef __aarch64__
#include <arm_neon.h>
#endif

namespace nnrun {
namespace {

// As level * norm - mean * norm: the desktop's reference computes it so, and both must agree
// to the last bit.
float normalised(std::size_t level, float norm, float bias) {
    return static_cast<float>(static_cast<double>(level) * static_cast<double>(norm) + static_cast<double>(bias));
}

constexpr std::size_t colours = 3;
constexpr std::size_t opaque = 255;

// Of R, G, B as Pillow's mode L has it (ITU-R BT.601).
std::size_t luma(const std::uint8_t* pixel) { return (19595u * pixel[0] + 38470u * pixel[1] + 7471u * pixel[2] + (1u << 15)) >> 16; }

#ifdef __aarch64__
void multiply_16(uint8x16_t levels, float norm, float bias, float* to) {
    const uint16x8_t halves[2] = {vmovl_u8(vget_low_u8(levels)), vmovl_high_u8(levels)};
    for (const uint16x8_t half : halves) {
        vst1q_f32(to, vfmaq_n_f32(vdupq_n_f32(bias), vcvtq_f32_u32(vmovl_u16(vget_low_u16(half))), norm));
        vst1q_f32(to + 4, vfmaq_n_f32(vdupq_n_f32(bias), vcvtq_f32_u32(vmovl_high_u16(half)), norm));
        to += 8;
    }
}
#endif

}  // namespace

Normalizer::Normalizer(const std::string& order, const std::vector<float>& mean, const std::vector<float>& norm)
    : bgr_(order.rfind("bgr", 0) == 0), planes_(mean.size()) {
    for (std::size_t i = 0; i < planes_.size(); ++i) {
        Plane& plane = planes_[i];
        plane.norm = norm[i];
        plane.bias = -mean[i] * norm[i];
        plane.fused = true;
        for (std::size_t level = 0; level < plane.values.size(); ++level) {
            plane.values[level] = normalised(level, plane.norm, plane.bias);
            // By the sign of zero, too.
            const float fused = std::fma(static_cast<float>(level), plane.norm, plane.bias);
            plane.fused = plane.fused && plane.values[level] == fused && std::signbit(plane.values[level]) == std::signbit(fused);
        }
    }
}

void Normalizer::put(const std::uint8_t* pixels, int count, ncnn::Mat& input, int y, int x) const {
    const auto end = static_cast<std::size_t>(count);
    if (gray()) {
        float* const to = input.channel(0).row(y) + x;
        for (std::size_t i = 0; i < end; ++i) to[i] = planes_[0].values[luma(pixels + 3 * i)];
        return;
    }
    put_colours(pixels, end, input, y, x);
    for (std::size_t plane = colours; plane < planes_.size(); ++plane) {
        float* const to = input.channel(static_cast<int>(plane)).row(y) + x;
        std::fill(to, to + end, planes_[plane].values[opaque]);
    }
}

void Normalizer::put_colours(const std::uint8_t* pixels, std::size_t count, ncnn::Mat& input, int y, int x) const {
    const std::array<float*, colours> planes{input.channel(0).row(y) + x, input.channel(1).row(y) + x, input.channel(2).row(y) + x};
    const std::size_t done = multiply(pixels, count, planes);
    for (std::size_t i = 0; i < planes.size(); ++i) look_up(pixels, done, count, i, planes[i]);
}

void Normalizer::look_up(const std::uint8_t* pixels, std::size_t begin, std::size_t end, std::size_t plane, float* to) const {
    const std::array<float, 256>& values = planes_[plane].values;
    const std::uint8_t* const from = pixels + channel(plane);
    for (std::size_t i = begin; i < end; ++i) to[i] = values[from[3 * i]];
}

// Sixteen pixels at a time, where that gives the same bits; how many there were.
#ifdef __aarch64__
std::size_t Normalizer::multiply(const std::uint8_t* pixels, std::size_t count, const std::array<float*, colours>& planes) const {
    if (!planes_[0].fused || !planes_[1].fused || !planes_[2].fused) return 0;
    std::size_t at = 0;
    for (; at + 16 <= count; at += 16) {
        const uint8x16x3_t levels = vld3q_u8(pixels + 3 * at);
        for (std::size_t c = 0; c < planes.size(); ++c) {
            const std::size_t plane = channel(c);
            multiply_16(levels.val[c], planes_[plane].norm, planes_[plane].bias, planes[plane] + at);
        }
    }
    return at;
}
#else
std::size_t Normalizer::multiply(const std::uint8_t*, std::size_t, const std::array<float*, 3>&) const { return 0; }
#endif

float Normalizer::value(const std::array<std::uint8_t, 3>& pixel, std::size_t plane) const {
    if (gray()) return planes_[0].values[luma(pixel.data())];
    return planes_[plane].values[plane < colours ? pixel[channel(plane)] : opaque];
}

namespace {

int longer_side(int shorter_target, int longer, int shorter) {
    return static_cast<int>(static_cast<double>(static_cast<long long>(shorter_target) * longer) / shorter);
}

Image resize_shorter(const Image& image, int target, const std::string& resample) {
    const bool portrait = image.width <= image.height;
    const int longer = portrait ? longer_side(target, image.height, image.width) : longer_side(target, image.width, image.height);
    return portrait ? resize(image, target, longer, resample) : resize(image, longer, target, resample);
}

// As Hugging Face's Idefics3ImageProcessor: an odd short side gets a pixel more.
Image resize_longer(const Image& image, int target, const std::string& resample) {
    const double ratio = static_cast<double>(image.width) / image.height;
    const bool landscape = image.width >= image.height;
    int shorter = static_cast<int>(landscape ? target / ratio : target * ratio);
    shorter = std::max(1, shorter + shorter % 2);
    return landscape ? resize(image, target, shorter, resample) : resize(image, shorter, target, resample);
}

// Python's round(): halves go to the even neighbour.
int rounded(double value) { return static_cast<int>(std::nearbyint(value)); }

void check_crop(const Image& image, int height, int width) {
    if (image.width >= width && image.height >= height) return;
    throw Failure(Exit::input, std::to_string(image.width) + "x" + std::to_string(image.height) + " pixels are less than the crop of " +
                                   std::to_string(width) + "x" + std::to_string(height) + "; use --resize or a smaller --crop");
}

Corners whole(const Image& image) { return {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)}; }

// Widened to the input's proportions, then by the padding.
Region region_around(const Corners& object, double padding, int rows, int columns) {
    double width = object[2] - object[0];
    double height = object[3] - object[1];
    if (width * rows > height * columns)
        height = width * rows / columns;
    else
        width = height * columns / rows;
    width *= padding;
    height *= padding;
    return {(object[0] + object[2]) / 2 - width / 2, (object[1] + object[3]) / 2 - height / 2, width, height};
}

}  // namespace

Feed::Feed(const Preprocess& steps) : steps_(steps), normalizer_(steps.order, steps.mean, steps.norm) {}

const ncnn::Mat& Feed::operator()(const Image& image) {
    if (steps_.fit == "box") return (*this)(image, whole(image));
    transform_ = {image.width, image.height, {}, {}};
    if (steps_.fit == "crop")
        crop(image);
    else if (steps_.fit == "letterbox")
        letterbox(image);
    else
        stretch(image);
    return input_;
}

const ncnn::Mat& Feed::operator()(const Image& image, const Corners& object) {
    transform_ = {image.width, image.height, {}, {}};
    around(image, object);
    return input_;
}

void Feed::crop(const Image& image) {
    const bool resized = steps_.shorter_side > 0;
    const Image smaller = resized ? resize_shorter(image, steps_.shorter_side, steps_.resample) : Image();
    const Image& picture = resized ? smaller : image;
    const int height = steps_.crop.empty() ? picture.height : steps_.crop[0];
    const int width = steps_.crop.empty() ? picture.width : steps_.crop[1];
    check_crop(picture, height, width);
    const int top = rounded((picture.height - height) / 2.0);
    const int left = rounded((picture.width - width) / 2.0);
    transform_.x = {static_cast<double>(image.width), static_cast<double>(picture.width), static_cast<double>(-left), 0};
    transform_.y = {static_cast<double>(image.height), static_cast<double>(picture.height), static_cast<double>(-top), 0};
    make_input(height, width);
    for (int y = 0; y < height; ++y) put_row(picture.row(top + y) + 3 * left, y, 0, width);
}

void Feed::letterbox(const Image& image) {
    const int rows = steps_.size[0];
    const int columns = steps_.size[1];
    const double ratio = std::min(static_cast<double>(columns) / image.width, static_cast<double>(rows) / image.height);
    const int width = std::max(1, rounded(image.width * ratio));
    const int height = std::max(1, rounded(image.height * ratio));
    const int left = steps_.centred ? (columns - width) / 2 : 0;
    const int top = steps_.centred ? (rows - height) / 2 : 0;
    transform_.x = {static_cast<double>(image.width), static_cast<double>(width), static_cast<double>(left), 0};
    transform_.y = {static_cast<double>(image.height), static_cast<double>(height), static_cast<double>(top), 0};
    make_input(rows, columns);
    pad(0, top, 0, columns);
    pad(top, top + height, 0, left);
    pad(top, top + height, left + width, columns);
    pad(top + height, rows, 0, columns);
    put_whole(image, top, left, height, width);
}

void Feed::stretch(const Image& image) {
    transform_.x = {static_cast<double>(image.width), static_cast<double>(steps_.size[1]), 0, 0};
    transform_.y = {static_cast<double>(image.height), static_cast<double>(steps_.size[0]), 0, 0};
    make_input(steps_.size[0], steps_.size[1]);
    const bool resized = steps_.longest > 0;
    const Image other = resized ? resize_longer(image, steps_.longest, steps_.resample) : Image();
    put_whole(resized ? other : image, 0, 0, steps_.size[0], steps_.size[1]);
}

void Feed::around(const Image& image, const Corners& object) {
    const int rows = steps_.size[0];
    const int columns = steps_.size[1];
    const Region shown = region_around(object, steps_.padding, rows, columns);
    transform_.x = {shown.width, static_cast<double>(columns), 0, shown.x};
    transform_.y = {shown.height, static_cast<double>(rows), 0, shown.y};
    make_input(rows, columns);
    sampler_.start(image, shown, rows, columns, std::array<std::uint8_t, 3>{0, 0, 0});
    for (int y = 0; y < rows; ++y) put_row(sampler_.row(y), y, 0, columns);
}

void Feed::make_input(int height, int width) {
    input_.create(width, height, static_cast<int>(steps_.channels()));
    if (input_.empty()) throw Failure(Exit::input, "not enough memory for the net's input");
}

void Feed::put_whole(const Image& image, int top, int left, int height, int width) {
    if (steps_.resample != "linear") {
        const Image resized = resize(image, width, height, steps_.resample);
        for (int y = 0; y < height; ++y) put_row(resized.row(y), top + y, left, width);
        return;
    }
    sampler_.start(image, {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)}, height, width);
    for (int y = 0; y < height; ++y) put_row(sampler_.row(y), top + y, left, width);
}

void Feed::put_row(const std::uint8_t* pixels, int y, int left, int width) { normalizer_.put(pixels, width, input_, y, left); }

void Feed::pad(int top, int bottom, int left, int right) {
    for (int plane = 0; plane < input_.c; ++plane) {
        const float value = normalizer_.value(steps_.pad, static_cast<std::size_t>(plane));
        ncnn::Mat channel = input_.channel(plane);
        for (int y = top; y < bottom; ++y) std::fill(channel.row(y) + left, channel.row(y) + right, value);
    }
}

}  // namespace nnrun
