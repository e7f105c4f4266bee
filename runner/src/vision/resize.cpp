#include "vision/resize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace nnrun {
namespace {

constexpr int fraction_bits = 22;

struct Filter {
    double support;
    double (*weight)(double);
};

double triangle(double x) {
    x = std::fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

double cubic(double x) {
    constexpr double a = -0.5;
    x = std::fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

// The source pixels that make one target pixel.
struct Taps {
    int first;
    std::vector<int> weights;
};

int fixed_point(double weight) {
    const double scaled = weight * (1 << fraction_bits);
    return static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

Taps taps_at(int target, double scale, int size, const Filter& filter) {
    const double widening = std::max(scale, 1.0);
    const double support = filter.support * widening;
    const double inverse = 1.0 / widening;
    const double center = (target + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int last = std::min(size, static_cast<int>(center + support + 0.5));
    std::vector<double> weights;
    double sum = 0.0;
    for (int x = first; x < last; ++x) {
        weights.push_back(filter.weight((x - center + 0.5) * inverse));
        sum += weights.back();
    }
    Taps taps{first, {}};
    for (const double weight : weights) taps.weights.push_back(fixed_point(sum != 0.0 ? weight / sum : weight));
    return taps;
}

std::vector<Taps> all_taps(int from, int to, const Filter& filter) {
    const double scale = static_cast<double>(from) / to;
    std::vector<Taps> taps;
    for (int i = 0; i < to; ++i) taps.push_back(taps_at(i, scale, from, filter));
    return taps;
}

std::uint8_t weighted(const std::uint8_t* from, std::size_t step, const std::vector<int>& weights) {
    int sum = 1 << (fraction_bits - 1);
    for (const int weight : weights) {
        sum += *from * weight;
        from += step;
    }
    return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255));
}

Image stretch_width(const Image& image, int width, const Filter& filter) {
    if (width == image.width) return image;
    const std::vector<Taps> taps = all_taps(image.width, width, filter);
    Image wide(width, image.height);
    for (int y = 0; y < wide.height; ++y) {
        std::uint8_t* to = wide.row(y);
        for (const Taps& tap : taps)
            for (int channel = 0; channel < 3; ++channel)
                *to++ = weighted(image.row(y) + 3 * tap.first + channel, 3, tap.weights);
    }
    return wide;
}

Image stretch_height(const Image& image, int height, const Filter& filter) {
    if (height == image.height) return image;
    const std::vector<Taps> taps = all_taps(image.height, height, filter);
    Image high(image.width, height);
    for (int y = 0; y < height; ++y) {
        const Taps& tap = taps[static_cast<std::size_t>(y)];
        const std::uint8_t* from = image.row(tap.first);
        std::uint8_t* to = high.row(y);
        for (std::size_t i = 0; i < high.stride(); ++i) to[i] = weighted(from + i, image.stride(), tap.weights);
    }
    return high;
}

// Pillow adds the step up instead of multiplying, and the rounding shows.
std::vector<int> nearest_indexes(int from, int to) {
    const double step = static_cast<double>(from) / to;
    std::vector<int> indexes;
    double at = step * 0.5;
    for (int i = 0; i < to; ++i, at += step) indexes.push_back(std::min(static_cast<int>(at), from - 1));
    return indexes;
}

Image pick_nearest(const Image& image, int width, int height) {
    const std::vector<int> columns = nearest_indexes(image.width, width);
    const std::vector<int> lines = nearest_indexes(image.height, height);
    Image picked(width, height);
    for (int y = 0; y < height; ++y) {
        std::uint8_t* to = picked.row(y);
        const std::uint8_t* from = image.row(lines[static_cast<std::size_t>(y)]);
        for (const int column : columns) {
            std::memcpy(to, from + 3 * column, 3);
            to += 3;
        }
    }
    return picked;
}

// The order shows, as the picture between the passes is rounded. Pillow 13 begins with the
// height when that loses more than twice as many pixels as the width; up to 12 it never did.
bool height_first(const Image& image, int width, int height) {
    const int lost = image.height - height;
    return lost > 0 && lost > 2 * (image.width - width);
}

}  // namespace

Image resize(const Image& image, int width, int height, const std::string& resample) {
    if (resample == "nearest") return pick_nearest(image, width, height);
    const Filter filter = resample == "bicubic" ? Filter{2.0, cubic} : Filter{1.0, triangle};
    if (height_first(image, width, height))
        return stretch_width(stretch_height(image, height, filter), width, filter);
    return stretch_height(stretch_width(image, width, filter), height, filter);
}

}  // namespace nnrun
