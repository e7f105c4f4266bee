#include "kernels/quantised_rows.h"

#include <algorithm>
#include <cstring>

#include "kernels/floats.h"

namespace nnrun {
namespace {

constexpr int most_rows = 8;

int filled_up(int rows) {
    int size = 1;
    while (size < rows) size *= 2;
    return size;
}

// Where one row's block of a tile goes.
struct Place {
    std::int8_t* values;  // the first four, from the next four `stride` bytes away
    std::size_t stride;
    float* scale;
    std::int32_t* sum;
};

float peak_of(const float* block, int count) {
    F4 peak = four(0);
    for (int i = 0; i < count; i += 4) peak = larger(magnitude(load4(block + i)), peak);
    return largest_of(peak);
}

void quantise_block(const float* block, int count, const Place& to) {
    const float peak = peak_of(block, count);
    const F4 factor = four(peak > 0 ? 127.0f / peak : 0.0f);
    I4 sums{};
    std::int8_t* at = to.values;
    for (int i = 0; i < count; i += 4, at += to.stride) {
        const I4 integers = rounded(load4(block + i) * factor);
        sums = sums + integers;
        store_bytes(at, integers);
    }
    *to.scale = peak / 127.0f;
    *to.sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void quantise_row(const float* row, int inputs, int block, Place to, std::size_t tile_rows) {
    float last[128];
    for (int first = 0; first < inputs; first += block) {
        const float* values = row + first;
        if (inputs - first < block) {
            std::fill_n(last, block, 0.0f);
            std::copy_n(values, inputs - first, last);
            values = last;
        }
        quantise_block(values, block, to);
        to.values += static_cast<std::size_t>(block) / 4 * to.stride;
        to.scale += tile_rows;
        to.sum += tile_rows;
    }
}

}  // namespace

QuantisedRows::QuantisedRows(const float* rows, int count, int inputs, int block, int threads) {
    const auto blocks = static_cast<std::size_t>((inputs + block - 1) / block), depth = blocks * static_cast<std::size_t>(block);
    const auto whole = static_cast<std::size_t>(count / most_rows * most_rows + (count % most_rows > 0 ? filled_up(count % most_rows) : 0));
    values_.reset(new std::int8_t[whole * depth]);
    scales_.reset(new float[whole * blocks]);
    sums_.reset(new std::int32_t[whole * blocks]);
    for (int first = 0; first < count; first += most_rows) {
        const int held = std::min(most_rows, count - first);
        const auto before = static_cast<std::size_t>(first);
        tiles_.push_back(
            {first, held, filled_up(held), values_.get() + before * depth, scales_.get() + before * blocks, sums_.get() + before * blocks});
    }
    const RowTile& last = tiles_.back();
    if (last.count < last.rows) {
        const auto at = static_cast<std::size_t>(last.first), size = static_cast<std::size_t>(last.rows);
        std::fill_n(values_.get() + at * depth, size * depth, std::int8_t{0});
        std::fill_n(scales_.get() + at * blocks, size * blocks, 0.0f);
        std::fill_n(sums_.get() + at * blocks, size * blocks, 0);
    }
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int row = 0; row < count; ++row) {
        const RowTile& tile = tiles_[static_cast<std::size_t>(row / most_rows)];
        const auto place = static_cast<std::size_t>(row - tile.first), size = static_cast<std::size_t>(tile.rows);
        const auto before = static_cast<std::size_t>(tile.first);
        const Place to{values_.get() + before * depth + place * 4, size * 4, scales_.get() + before * blocks + place,
                       sums_.get() + before * blocks + place};
        quantise_row(rows + static_cast<std::size_t>(row) * static_cast<std::size_t>(inputs), inputs, block, to, size);
    }
}

}  // namespace nnrun
