#include "widened.h"

#include <algorithm>

#include "text.h"

namespace nnrun {
namespace {

constexpr int mask_key = 31;
constexpr int no_fp16_storage = 2;
constexpr std::size_t first_blob = 4;

bool is_masked(const GraphLayer& layer) { return (layer.param(mask_key, 0) & no_fp16_storage) != 0; }

// The layer's line, behind one more for each blob it reads.
void add_masked(std::vector<std::string>& lines, const GraphLayer& layer, const std::string& line) {
    std::vector<std::string> changed = words(line);
    for (std::size_t i = 0; i < layer.bottoms.size(); ++i) {
        const std::string& blob = layer.bottoms[i];
        changed[first_blob + i] = blob + "_floats";
        lines.push_back("Dropout " + blob + "_to_floats 1 1 " + blob + " " + blob + "_floats");
    }
    lines.push_back(join(changed, " "));
}

}  // namespace

bool forbids_halves(const Graph& graph) { return std::any_of(graph.layers().begin(), graph.layers().end(), is_masked); }

std::string widened(const Graph& graph) {
    const std::vector<std::string> before = filled_lines(graph.text());
    std::vector<std::string> after;
    for (std::size_t i = 0; i < graph.layers().size(); ++i) {
        const GraphLayer& layer = graph.layers()[i];
        if (is_masked(layer))
            add_masked(after, layer, before[i + 2]);
        else
            after.push_back(before[i + 2]);
    }
    const std::size_t more = after.size() - graph.layers().size();
    const std::string counts = std::to_string(after.size()) + " " + std::to_string(static_cast<std::size_t>(graph.blob_count()) + more);
    return before[0] + "\n" + counts + "\n" + join(after, "\n") + "\n";
}

}  // namespace nnrun
