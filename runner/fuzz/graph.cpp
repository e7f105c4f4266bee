// A net: its .param up to the first NUL, its .bin behind it. It is loaded, and not run: what layers
// do with their inputs is ncnn's, and runs in a child first.

#include <algorithm>

#include "core/failure.h"
#include "net/layers.h"
#include "net/model.h"
#include "target.h"

namespace {

nnrun::Request request_of(const std::string& param, const std::string& bin) {
    nnrun::Request request;
    request.param = param;
    request.bin = bin;
    request.precision = "fp32";
    return request;
}

// Any layer may meet any shape.
void expect_shapes(const nnrun::Graph& graph) {
    for (const nnrun::GraphLayer& layer : graph.layers())
        for (const nnrun::Shape& shape : {nnrun::Shape{7}, {4, 6}, {3, 8, 8}, {2, 3, 4, 5}})
            nnrun::shape_error(layer, std::vector<nnrun::Shape>(layer.bottoms.size(), shape));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::uint8_t* const nul = std::find(bytes, bytes + size, 0);
    const std::uint8_t* const weights = std::min(nul + 1, bytes + size);
    const nnrun::MemoryFile param(bytes, static_cast<std::size_t>(nul - bytes));
    const nnrun::MemoryFile bin(weights, static_cast<std::size_t>(bytes + size - weights));
    try {
        expect_shapes(nnrun::read_graph(param.path()));
        const nnrun::Model model(request_of(param.path(), bin.path()));
        nnrun::demand(!model.outputs().empty());
    } catch (const nnrun::Failure& failure) {
        nnrun::demand(failure.code == nnrun::Exit::model);
    }
    return 0;
}
