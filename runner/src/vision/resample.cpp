#include "vision/resample.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __aarch64__
#include <arm_neon.h>
#endif

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

double sinc(double x) {
    constexpr double pi = 3.14159265358979323846;
    return x == 0.0 ? 1.0 : std::sin(x * pi) / (x * pi);
}

double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

Filter filter_of(const std::string& resample) {
    if (resample == "lanczos") return {3.0, lanczos};
    return resample == "bicubic" ? Filter{2.0, cubic} : Filter{1.0, triangle};
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
            for (int channel = 0; channel < 3; ++channel) *to++ = weighted(image.row(y) + 3 * tap.first + channel, 3, tap.weights);
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
    const Filter filter = filter_of(resample);
    if (height_first(image, width, height)) return stretch_width(stretch_height(image, height, filter), width, filter);
    return stretch_height(stretch_width(image, width, filter), height, filter);
}

namespace {

constexpr int unit = 2048;
constexpr int unrolled = 4;
constexpr int no_line = -(1 << 30);

#ifdef __aarch64__
// Four lanes, the last of which is written over by the next pixel.
void sum_pixel(const std::uint8_t* pixels, const std::uint16_t* weights, std::uint32_t* to) {
    constexpr std::uint8_t none = 255;
    const uint8x16_t spread{0, none, 1, none, 2, none, none, none, 3, none, 4, none, 5, none, none, none};
    const uint16x8_t both = vreinterpretq_u16_u8(vqtbl1q_u8(vld1q_u8(pixels), spread));
    const uint16x8_t by = vld1q_u16(weights);
    vst1q_u32(to, vmlal_high_u16(vmull_u16(vget_low_u16(both), vget_low_u16(by)), both, by));
}
#else
void sum_pixel(const std::uint8_t* pixels, const std::uint16_t* weights, std::uint32_t* to) {
    for (int channel = 0; channel < 3; ++channel)
        to[channel] = static_cast<std::uint32_t>(pixels[channel] * weights[channel] + pixels[channel + 3] * weights[channel + 4]);
}
#endif

// Bytes that sum_pixel reads from its first pixel on.
constexpr int reads = 16;

void blend(const std::uint32_t* upper, const std::uint32_t* lower, std::uint32_t weight, std::size_t count, std::uint8_t* to) {
    const std::uint32_t rest = unit - weight;
    for (std::size_t i = 0; i < count; ++i)
        to[i] = static_cast<std::uint8_t>((((rest * (upper[i] >> 4)) >> 16) + ((weight * (lower[i] >> 4)) >> 16) + 2) >> 2);
}

}  // namespace

// Two pixels beyond an edge, all is as at the edge.
void RegionSampler::Samples::spread(double start, double length, int count, int limit) {
    first.resize(static_cast<std::size_t>(count));
    weight.resize(static_cast<std::size_t>(count));
    const double step = length / count;
    for (int i = 0; i < count; ++i) {
        const auto at = static_cast<float>(start + (i + 0.5) * step - 0.5);
        const float floor = std::floor(at);
        first[static_cast<std::size_t>(i)] = static_cast<int>(std::clamp(static_cast<double>(floor), -2.0, limit + 1.0));
        weight[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(std::nearbyint((at - floor) * unit));
    }
}

bool RegionSampler::Samples::as_they_are(int limit) const {
    if (static_cast<int>(first.size()) != limit) return false;
    for (int i = 0; i < limit; ++i)
        if (first[static_cast<std::size_t>(i)] != i || weight[static_cast<std::size_t>(i)] != 0) return false;
    return true;
}

void RegionSampler::start(const Image& image, const Region& region, int rows, int columns,
                          const std::optional<std::array<std::uint8_t, 3>>& border) {
    image_ = &image;
    border_ = border;
    rows_.spread(region.y, region.height, rows, image.height);
    columns_.spread(region.x, region.width, columns, image.width);
    plain_ = columns_.as_they_are(image.width);
    const auto& first = columns_.first;
    const auto begin = std::lower_bound(first.begin(), first.end(), 0);
    // The vector unit reads past its second pixel what only another pixel may hold.
    const auto end = std::upper_bound(begin, first.end(), image.width - (reads + 2) / 3);
    inside_begin_ = static_cast<int>(begin - first.begin());
    inside_end_ = static_cast<int>(end - first.begin());
    // One more: see sum_pixel.
    expand();
    for (auto& line : sums_) line.resize(3 * static_cast<std::size_t>(columns) + 1);
    summed_ = {no_line, no_line};
    row_.resize(3 * static_cast<std::size_t>(columns));
}

// For vectors: of a column, four weights of the first pixel and four of the second.
void RegionSampler::expand() {
    offsets_.resize(columns_.first.size());
    std::transform(columns_.first.begin(), columns_.first.end(), offsets_.begin(), [](int first) { return 3 * first; });
    weights_.resize(8 * columns_.weight.size());
    auto to = weights_.begin();
    for (const std::uint16_t weight : columns_.weight) {
        to = std::fill_n(to, 4, static_cast<std::uint16_t>(unit - weight));
        to = std::fill_n(to, 4, weight);
    }
}

const std::uint8_t* RegionSampler::row(int y) {
    const int line = rows_.first[static_cast<std::size_t>(y)];
    const std::uint16_t weight = rows_.weight[static_cast<std::size_t>(y)];
    if (plain_ && weight == 0 && line >= 0 && line < image_->height) return image_->row(line);
    const std::uint32_t* const upper = sums(line);
    const std::uint32_t* const lower = weight == 0 ? upper : sums(line + 1);
    blend(upper, lower, weight, row_.size(), row_.data());
    return row_.data();
}

const std::uint32_t* RegionSampler::sums(int line) {
    if (!border_) line = std::clamp(line, 0, image_->height - 1);
    const auto slot = static_cast<std::size_t>(line & 1);
    std::vector<std::uint32_t>& sum = sums_[slot];
    if (summed_[slot] == line) return sum.data();
    summed_[slot] = line;
    const std::uint8_t* const pixels = line >= 0 && line < image_->height ? image_->row(line) : nullptr;
    const int columns = static_cast<int>(columns_.first.size());
    const int begin = pixels == nullptr ? 0 : inside_begin_;
    const int end = pixels == nullptr ? 0 : inside_end_;
    if (begin < end) sum_inside(pixels, sum.data());
    for (int i = 0; i < begin; ++i) sum_beside(pixels, i, sum.data() + 3 * i);
    for (int i = end; i < columns; ++i) sum_beside(pixels, i, sum.data() + 3 * i);
    return sum.data();
}

void RegionSampler::sum_inside(const std::uint8_t* line, std::uint32_t* to) const {
    const int* const offsets = offsets_.data();
    const std::uint16_t* const weights = weights_.data();
    int i = inside_begin_;
    const int end = inside_end_;
    for (; i + unrolled <= end; i += unrolled)
        for (int k = i; k < i + unrolled; ++k) sum_pixel(line + offsets[k], weights + 8 * k, to + 3 * k);
    for (; i < end; ++i) sum_pixel(line + offsets[i], weights + 8 * i, to + 3 * i);
}

// `line` is null where there is none.
void RegionSampler::sum_beside(const std::uint8_t* line, int column, std::uint32_t* to) const {
    const int first = columns_.first[static_cast<std::size_t>(column)];
    const std::uint32_t weight = columns_.weight[static_cast<std::size_t>(column)];
    for (int channel = 0; channel < 3; ++channel)
        to[channel] = level(line, first, channel) * (unit - weight) + level(line, first + 1, channel) * weight;
}

std::uint32_t RegionSampler::level(const std::uint8_t* line, int x, int channel) const {
    const bool outside = line == nullptr || x < 0 || x >= image_->width;
    if (border_ && outside) return (*border_)[static_cast<std::size_t>(channel)];
    return line[3 * std::clamp(x, 0, image_->width - 1) + channel];
}

}  // namespace nnrun
