#include "vision/rle.h"

namespace nnrun {
namespace {

void append(std::int64_t value, std::string& text) {
    for (bool more = true; more;) {
        const std::int64_t group = value & 31;
        value >>= 5;
        const bool negative = (group & 16) != 0;
        more = value != (negative ? -1 : 0);
        text.push_back(static_cast<char>(48 + group + (more ? 32 : 0)));
    }
}

}  // namespace

MaskPen::MaskPen(Mask& mask) : mask_(mask) { mask_.runs.assign(1, 0); }

void MaskPen::turn() {
    mask_.runs.push_back(0);
    inside_ = !inside_;
}

std::size_t area(const Mask& mask) {
    std::size_t pixels = 0;
    for (std::size_t i = 1; i < mask.runs.size(); i += 2) pixels += mask.runs[i];
    return pixels;
}

std::string compressed(const Mask& mask) {
    std::string text;
    text.reserve(2 * mask.runs.size());
    for (std::size_t i = 0; i < mask.runs.size(); ++i) {
        const std::int64_t before = i > 2 ? mask.runs[i - 2] : 0;
        append(std::int64_t{mask.runs[i]} - before, text);
    }
    return text;
}

}  // namespace nnrun
