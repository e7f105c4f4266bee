#include "kernels/quantised_rows.h"

#include <algorithm>
#include <cstring>

#include "kernels/floats.h"

namespace nnrun {
namespace {

// Where one row's block of a tile goes.
struct Place {
    std::int8_t* values;  // the first four, from the next four `stride` bytes away
    std::size_t stride;
    float* scale;
    std::int32_t* sum;
};

template <int COUNT>
float peak_of(const float* block) {
    F4 peaks[4] = {four(0), four(0), four(0), four(0)};
#pragma GCC unroll 8
    for (int i = 0; i < COUNT; i += 16)
        for (int part = 0; part < 4; ++part) peaks[part] = larger(magnitude(load4(block + i + part * 4)), peaks[part]);
    return largest_of(larger(larger(peaks[0], peaks[1]), larger(peaks[2], peaks[3])));
}

template <int COUNT>
void quantise_block(const float* block, const Place& to) {
    const float peak = peak_of<COUNT>(block);
    const F4 factor = four(peak > 0 ? 127.0f / peak : 0.0f);
    I4 sums{};
    std::int8_t* at = to.values;
#pragma GCC unroll 8
    for (int i = 0; i < COUNT; i += 16, at += 4 * to.stride) {
        I4 integers[4];
        for (int part = 0; part < 4; ++part) integers[part] = rounded(load4(block + i + part * 4) * factor);
        const Bytes16 bytes = to_bytes(integers);
        sums = add_bytes(sums, bytes);
        store_bytes(at, to.stride, bytes);
    }
    *to.scale = peak / 127.0f;
    *to.sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <int BLOCK>
void quantise_blocks(const float* row, int inputs, Place to, std::size_t tile_size) {
    for (int first = 0; first < inputs; first += BLOCK) {
        const float* values = row + first;
        float last[BLOCK];
        if (inputs - first < BLOCK) {
            std::fill_n(last, BLOCK, 0.0f);
            std::copy_n(values, inputs - first, last);
            values = last;
        }
        quantise_block<BLOCK>(values, to);
        to.values += static_cast<std::size_t>(BLOCK) / 4 * to.stride;
        to.scale += tile_size;
        to.sum += tile_size;
    }
}

void quantise_row(const float* row, int inputs, int block, const Place& to, std::size_t tile_size) {
    if (block == 32) return quantise_blocks<32>(row, inputs, to, tile_size);
    if (block == 64) return quantise_blocks<64>(row, inputs, to, tile_size);
    quantise_blocks<128>(row, inputs, to, tile_size);
}

}  // namespace

QuantisedRows::QuantisedRows(const float* rows, int count, int inputs, int block, int threads) {
    const auto blocks = static_cast<std::size_t>((inputs + block - 1) / block), depth = blocks * static_cast<std::size_t>(block);
    const std::vector<RowTile> tiles = row_tiles(count);
    const std::size_t whole = tiled_rows(count), last = static_cast<std::size_t>(tiles.back().first);
    values_.reset(new std::int8_t[whole * depth]);
    scales_.reset(new float[whole * blocks]);
    sums_.reset(new std::int32_t[whole * blocks]);
    for (const RowTile& tile : tiles) {
        const auto first = static_cast<std::size_t>(tile.first);
        tiles_.push_back({tile, values_.get() + first * depth, scales_.get() + first * blocks, sums_.get() + first * blocks});
    }
    std::fill_n(values_.get() + last * depth, (whole - last) * depth, std::int8_t{0});
    std::fill_n(scales_.get() + last * blocks, (whole - last) * blocks, 0.0f);
    std::fill_n(sums_.get() + last * blocks, (whole - last) * blocks, 0);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int row = 0; row < count; ++row) {
        const RowTile& tile = tiles[static_cast<std::size_t>(row / tile_rows)];
        const auto size = static_cast<std::size_t>(tile.rows), first = static_cast<std::size_t>(tile.first);
        const std::size_t place = static_cast<std::size_t>(row) - first;
        const Place to{values_.get() + first * depth + place * 4, size * 4, scales_.get() + first * blocks + place,
                       sums_.get() + first * blocks + place};
        quantise_row(rows + static_cast<std::size_t>(row) * static_cast<std::size_t>(inputs), inputs, block, to, size);
    }
}

}  // namespace nnrun
