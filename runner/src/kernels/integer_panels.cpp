#include "kernels/integer_panels.h"

#include <cpu.h>

#include <cmath>
#include <cstring>

#include "kernels/floats.h"

namespace nnrun {
namespace {

constexpr int columns = 8;
// Four inputs of eight columns.
constexpr int group_bytes = 4 * columns;

signed char high_four(unsigned byte) { return static_cast<signed char>(static_cast<signed char>(byte & 0xf0) >> 4); }

signed char low_four(unsigned byte) { return high_four(byte << 4 & 0xff); }

signed char joined(signed char high, unsigned low) { return static_cast<signed char>(high * 4 + static_cast<int>(low & 3)); }

void unpack_four(int block, const unsigned char* packed, signed char* integers) {
    for (int k = 0; k < block; k += 8, packed += group_bytes, integers += 2 * group_bytes)
        for (int i = 0; i < group_bytes; ++i) {
            integers[i] = low_four(packed[i]);
            integers[group_bytes + i] = high_four(packed[i]);
        }
}

void unpack_six(int block, const unsigned char* packed, signed char* integers) {
    for (int k = 0; k < block; k += 16, packed += 3 * group_bytes, integers += 4 * group_bytes)
        for (int i = 0; i < group_bytes; ++i) {
            const unsigned first = packed[i], second = packed[group_bytes + i], ends = packed[2 * group_bytes + i];
            integers[i] = joined(low_four(first), ends);
            integers[group_bytes + i] = joined(high_four(first), ends >> 2);
            integers[2 * group_bytes + i] = joined(low_four(second), ends >> 4);
            integers[3 * group_bytes + i] = joined(high_four(second), ends >> 6);
        }
}

// Of one row and column.
int dot(int block, const signed char* weights, const std::int8_t* inputs, std::size_t input_stride) {
    int sum = 0;
    for (int k = 0; k < block; k += 4, weights += group_bytes, inputs += input_stride)
        for (int i = 0; i < 4; ++i) sum += weights[i] * inputs[i];
    return sum;
}

// Adds one block, counted from the first panel's first, to the sums of a tile's rows.
void add_block(const IntegerPanels& panels, std::size_t block, const signed char* weights, const IntegerTile& tile, float* sums) {
    const auto rows = static_cast<std::size_t>(tile.rows);
    const std::size_t depth = block % panels.blocks;
    const std::int8_t* inputs = tile.values + depth * static_cast<std::size_t>(panels.block) * rows;
    const int half = panels.minima != nullptr ? 1 << (panels.bits - 1) : 0;
    for (int row = 0; row < tile.count; ++row) {
        const std::size_t place = depth * rows + static_cast<std::size_t>(row);
        for (int column = 0; column < columns; ++column) {
            const std::size_t at = block * columns + static_cast<std::size_t>(column);
            const int product = dot(panels.block, weights + column * 4, inputs + row * 4, rows * 4) + half * tile.sums[place];
            float& sum = sums[row * columns + column];
            sum = std::fma(static_cast<float>(product), to_float(panels.scales[at]) * tile.scales[place], sum);
            if (panels.minima != nullptr)
                sum = std::fma(to_float(panels.minima[at]), static_cast<float>(tile.sums[place]) * tile.scales[place], sum);
        }
    }
}

}  // namespace

void unpack_block(int bits, int block, const unsigned char* packed, signed char* integers) {
    if (bits == 4) return unpack_four(block, packed, integers);
    if (bits == 6) return unpack_six(block, packed, integers);
    std::memcpy(integers, packed, static_cast<std::size_t>(block) * columns);
}

void multiply_integers(const IntegerPanels& panels, const QuantisedRows& rows, float* sums, signed char* unpacked) {
    const std::size_t block_bytes = static_cast<std::size_t>(panels.block) * static_cast<std::size_t>(panels.bits);
    const std::size_t panel_sums = static_cast<std::size_t>(rows.tiles().back().first + rows.tiles().back().rows) * columns;
    std::memset(sums, 0, panels.count * panel_sums * sizeof(float));
    for (std::size_t block = 0; block < panels.count * panels.blocks; ++block) {
        unpack_block(panels.bits, panels.block, panels.weights + block * block_bytes, unpacked);
        float* const totals = sums + block / panels.blocks * panel_sums;
        for (const IntegerTile& tile : rows.tiles()) add_block(panels, block, unpacked, tile, totals + tile.first * columns);
    }
}

IntegerProduct integer_product() {
#if defined(__aarch64__)
    if (ncnn::cpu_support_arm_asimddp() != 0) return multiply_integers_armv82;
#endif
    return multiply_integers;
}

}  // namespace nnrun
