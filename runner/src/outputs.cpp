#include "outputs.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "file.h"

namespace nnrun {
namespace {

// By the bits: -ffast-math in someone's flags must not turn this into "true".
bool is_finite(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7F800000u) != 0x7F800000u;
}

}  // namespace

bool all_finite(const std::vector<float>& values) { return std::all_of(values.begin(), values.end(), is_finite); }

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
