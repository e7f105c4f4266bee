#include "verbs/outputs.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/file.h"

namespace nnrun {
namespace {

// By the bits: -ffast-math in someone's flags must not turn this into "true". Without a branch,
// so that the compiler makes vectors of it.
bool all_finite(const float* values, std::size_t count) {
    std::uint32_t largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, values + i, sizeof bits);
        largest = std::max(largest, bits & 0x7FFFFFFFu);
    }
    return largest < 0x7F800000u;
}

}  // namespace

bool all_finite(const std::vector<float>& values) { return all_finite(values.data(), values.size()); }

bool all_finite(const ncnn::Mat& blob) {
    const auto plane = static_cast<std::size_t>(blob.w) * static_cast<std::size_t>(blob.h) * static_cast<std::size_t>(blob.d);
    for (int c = 0; c < blob.c; ++c)
        if (!all_finite(blob.channel(c), plane)) return false;
    return true;
}

json::Object output_line(const std::string& name, const ncnn::Mat& blob, const std::string& folder, const std::string& stem) {
    const std::vector<float> values = flat(blob);
    json::Object line;
    line.text("type", "output").text("name", name).raw("shape", json::integers(shape_of(blob)));
    if (folder.empty()) {
        line.raw("file", "null");
    } else {
        const std::string path = folder + "/" + stem + ".f32";
        write_floats(path, values.data(), values.size());
        line.text("file", path);
    }
    line.boolean("finite", all_finite(values));
    return line;
}

}  // namespace nnrun
