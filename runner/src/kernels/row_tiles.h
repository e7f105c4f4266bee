#pragma once

#include <cstddef>
#include <vector>

namespace nnrun {

// Rows that a kernel multiplies at once, at most.
constexpr int tile_rows = 8;

// Some of the rows of a run, which lie together: 1, 2, 4 or 8, of which the last may be there to fill up.
struct RowTile {
    int first = 0;
    int count = 0;
    int rows = 0;
};

// Tiles of eight, and for what is left the smallest that holds it.
std::vector<RowTile> row_tiles(int count);

// With those that fill the last tile up.
std::size_t tiled_rows(int count);

}  // namespace nnrun
