#include "kernels/row_tiles.h"

#include <algorithm>

namespace nnrun {

std::vector<RowTile> row_tiles(int count) {
    std::vector<RowTile> tiles;
    for (int first = 0; first < count; first += tile_rows) {
        const int held = std::min(tile_rows, count - first);
        int rows = 1;
        while (rows < held) rows *= 2;
        tiles.push_back({first, held, rows});
    }
    return tiles;
}

std::size_t tiled_rows(const std::vector<RowTile>& tiles) { return static_cast<std::size_t>(tiles.back().first + tiles.back().rows); }

}  // namespace nnrun
