#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/image.h"

namespace nnrun {

// "bilinear", "bicubic", "lanczos" or "nearest", the same to the last bit as the Image.resize() of Pillow 13:
// the filter widens when it shrinks, weights are fixed-point, and the picture between the
// horizontal and the vertical pass is 8 bits deep.
Image resize(const Image& image, int width, int height, const std::string& resample);

// x0, y0 and size of a part of a picture, which may reach beyond it.
struct Region {
    double x = 0;
    double y = 0;
    double width = 0;
    double height = 0;
};

// Resampling "linear": four pixels a sample, in integers, so that the desktop's reference gets
// the same bits: those of OpenCV's INTER_LINEAR. Positions are floats, fractions have 11 bits.
class RegionSampler {
public:
    // To sample `region` of `image` as so many rows and columns. Outside the picture there is
    // `border`, or, without it, the nearest pixel. The image must live until the last row.
    void start(const Image& image, const Region& region, int rows, int columns,
               const std::optional<std::array<std::uint8_t, 3>>& border = std::nullopt);

    // The pixels R, G, B of one row, until the next call; quickest in order.
    const std::uint8_t* row(int y);

private:
    // Along one direction: the first pixel's index, and the second one's weight of 2048.
    struct Samples {
        std::vector<int> first;
        std::vector<std::uint16_t> weight;

        void spread(double start, double length, int count, int limit);
        bool as_they_are(int limit) const;
    };

    void expand();
    const std::uint32_t* sums(int line);
    void sum_inside(const std::uint8_t* line, std::uint32_t* to) const;
    void sum_beside(const std::uint8_t* line, int column, std::uint32_t* to) const;
    std::uint32_t level(const std::uint8_t* line, int x, int channel) const;

    const Image* image_ = nullptr;
    std::optional<std::array<std::uint8_t, 3>> border_;
    Samples rows_;
    Samples columns_;
    std::vector<int> offsets_;  // of the columns' first pixels in a line
    std::vector<std::uint16_t> weights_;
    bool plain_ = false;    // no column lies between two pixels
    int inside_begin_ = 0;  // columns both of whose pixels are in the picture
    int inside_end_ = 0;
    // Of the last two lines of the picture, alternately, so that each is summed up once.
    std::array<std::vector<std::uint32_t>, 2> sums_;
    std::array<int, 2> summed_{};
    std::vector<std::uint8_t> row_;
};

}  // namespace nnrun
