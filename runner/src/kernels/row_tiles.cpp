#include "kernels/row_tiles.h"

#include <algorithm>

namespace nnrun {

namespace {

// That hold so many, at most eight.
int filled_rows(int held) {
    int rows = 1;
    while (rows < held) rows *= 2;
    return rows;
}

}  // namespace

std::vector<RowTile> row_tiles(int count) {
    std::vector<RowTile> tiles;
    tiles.reserve(static_cast<std::size_t>((count + tile_rows - 1) / tile_rows));
    for (int first = 0; first < count; first += tile_rows) {
        const int held = std::min(tile_rows, count - first);
        tiles.push_back({first, held, filled_rows(held)});
    }
    return tiles;
}

std::size_t tiled_rows(int count) {
    const int last = (count - 1) / tile_rows * tile_rows;
    return static_cast<std::size_t>(last + filled_rows(count - last));
}

}  // namespace nnrun
