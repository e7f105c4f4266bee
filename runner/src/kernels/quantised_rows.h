#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/row_tiles.h"

namespace nnrun {

// Rows of inputs as the integer kernels read them: for each four inputs [rows][4] bytes, for each block a scale
// (and the sum of its integers) a row. Rows that only fill the tile are zeros.
struct IntegerTile : RowTile {
    const std::int8_t* values = nullptr;
    const float* scales = nullptr;
    const std::int32_t* sums = nullptr;
};

// Inputs quantised to int8 by the largest magnitude of each row's block: to the nearest, ties to even.
class QuantisedRows {
public:
    // `rows` lie `inputs` apart; a last block is filled up with zeros.
    QuantisedRows(const float* rows, int count, int inputs, int block, int threads);

    const std::vector<IntegerTile>& tiles() const { return tiles_; }

private:
    std::unique_ptr<std::int8_t[]> values_;
    std::unique_ptr<float[]> scales_;
    std::unique_ptr<std::int32_t[]> sums_;
    std::vector<IntegerTile> tiles_;
};

}  // namespace nnrun
