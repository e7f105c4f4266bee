#include "vision/draw_tint.h"

#include <algorithm>
#include <array>

namespace nnrun {
namespace {

// A mask goes down the columns and a picture's memory along the rows: tiles of this size stay in
// the fastest cache.
constexpr int tile_columns = 32;
constexpr int tile_rows = 64;

// What stays of a level is (256 - part) / 256.
struct Mixture {
    int part;
    std::array<int, 3> added;

    Mixture(double share, Colour colour)
        : part(static_cast<int>(share * 256)), added{colour.red * part, colour.green * part, colour.blue * part} {}

    void into(std::uint8_t* pixel) const {
        for (std::size_t i = 0; i < 3; ++i) pixel[i] = static_cast<std::uint8_t>((pixel[i] * (256 - part) + added[i]) >> 8);
    }
};

// A place in a mask's runs.
class Cursor {
public:
    Cursor() = default;
    explicit Cursor(const std::vector<std::uint32_t>& runs) : runs_(&runs), left_(static_cast<int>(runs.front())) {}

    // Goes on by so many pixels; those inside are told as their first one and their number.
    template <typename Act>
    void advance(int pixels, const Act& act) {
        for (int done = 0; done < pixels;) {
            const int count = std::min(pixels - done, left_);
            if (run_ % 2 == 1 && count > 0) act(done, count);
            done += count;
            left_ -= count;
            if (left_ > 0) continue;
            if (run_ + 1 == runs_->size()) return;
            left_ = static_cast<int>((*runs_)[++run_]);
        }
    }

private:
    const std::vector<std::uint32_t>* runs_ = nullptr;
    std::size_t run_ = 0;
    int left_ = 0;
};

// Of one column.
void tint_part(Image& image, Cursor& cursor, int x, int top, int rows, const Mixture& mixture) {
    cursor.advance(rows, [&](int first, int count) {
        std::uint8_t* pixel = image.row(top + first) + 3 * x;
        for (int i = 0; i < count; ++i, pixel += image.stride()) mixture.into(pixel);
    });
}

}  // namespace

void tint(Image& image, const Mask& mask, double share, Colour colour) {
    if (mask.runs.size() < 2) return;
    const Mixture mixture(share, colour);
    std::array<Cursor, tile_columns> columns;
    Cursor next(mask.runs);
    for (int left = 0; left < image.width; left += tile_columns) {
        const int width = std::min(tile_columns, image.width - left);
        for (int i = 0; i < width; ++i) {
            columns[static_cast<std::size_t>(i)] = next;
            next.advance(image.height, [](int, int) {});
        }
        for (int top = 0; top < image.height; top += tile_rows) {
            const int rows = std::min(tile_rows, image.height - top);
            for (int i = 0; i < width; ++i) tint_part(image, columns[static_cast<std::size_t>(i)], left + i, top, rows, mixture);
        }
    }
}

}  // namespace nnrun
