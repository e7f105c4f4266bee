#include "fit.h"

#include <algorithm>
#include <set>

#include "failure.h"
#include "rehearsal.h"
#include "text.h"

namespace nnrun {
namespace {

using Shapes = std::vector<Shape>;

int channels(const Shape& shape) { return shape.front(); }

std::string misfit(const std::string& wants, const Shape& got) { return wants + ", and gets " + shape_text(got); }

std::string expect_channels(int expected, const Shape& got) {
    // ncnn reads a plane or a row where it expects channels as one channel.
    const int found = got.size() < 3 ? 1 : channels(got);
    return found == expected ? "" : misfit("takes " + std::to_string(expected) + " channels", got);
}

int weights_per_output(const GraphLayer& layer, int size_key) {
    const int outputs = layer.param(0, 0);
    return outputs > 0 ? layer.param(size_key, 0) / outputs : 0;
}

std::string kernel_misfit(const GraphLayer& layer, const Shape& got) {
    const int height = got.size() < 2 ? 1 : got[got.size() - 2];
    const int kernel_w = layer.param(1, 0), left = layer.param(4, 0), top = layer.param(14, left);
    const int dilation_w = layer.param(2, 1);
    const int reach_w = dilation_w * (kernel_w - 1) + 1;
    const int reach_h = layer.param(12, dilation_w) * (layer.param(11, kernel_w) - 1) + 1;
    const bool pads_to_size = left < 0 || top < 0;
    const bool fits = got.back() + left + layer.param(15, left) >= reach_w &&
                      height + top + layer.param(16, top) >= reach_h;
    return pads_to_size || fits ? "" : misfit("has a kernel larger than its input", got);
}

std::string convolution_misfit(const GraphLayer& layer, const Shape& got) {
    if (layer.param(19, 0) != 0) return "";  // the weights are another input
    const int area = layer.param(1, 0) * layer.param(11, layer.param(1, 0));
    const int group = layer.type == "ConvolutionDepthWise" ? layer.param(7, 1) : 1;
    const int inputs = area > 0 ? weights_per_output(layer, 6) / area * group : 0;
    if (got.size() == 1 && area == 1)
        return got[0] == inputs ? "" : misfit("takes " + std::to_string(inputs) + " values", got);
    const std::string problem = expect_channels(inputs, got);
    return problem.empty() ? kernel_misfit(layer, got) : problem;
}

std::string deconvolution_misfit(const GraphLayer& layer, const Shape& got) {
    if (layer.param(28, 0) != 0) return "";
    const int area = layer.param(1, 0) * layer.param(11, layer.param(1, 0));
    const int group = layer.type == "DeconvolutionDepthWise" ? layer.param(7, 1) : 1;
    return area > 0 ? expect_channels(weights_per_output(layer, 6) / area * group, got) : "";
}

std::string convolution1d_misfit(const GraphLayer& layer, const Shape& got) {
    if (layer.param(19, 0) != 0 || layer.param(1, 0) <= 0) return "";
    const int rows = weights_per_output(layer, 6) / layer.param(1, 0);
    const bool fits = got.size() == 2 && got[0] == rows;
    return fits ? "" : misfit("takes " + std::to_string(rows) + " rows", got);
}

std::string inner_product_misfit(const GraphLayer& layer, const Shape& got) {
    const int values = weights_per_output(layer, 2);
    const bool rows = got.size() == 2 && got.back() == values;
    if (rows || element_count(got) == static_cast<std::size_t>(values)) return "";
    return misfit("takes " + std::to_string(values) + " values", got);
}

std::string per_channel_misfit(const GraphLayer& layer, const Shape& got) {
    const int expected = layer.param(layer.type == "GroupNorm" ? 1 : 0, 0);
    const bool one_for_all = layer.type == "PReLU" && expected == 1;
    if (one_for_all || expected <= 0 || channels(got) == expected) return "";
    return misfit("takes " + std::to_string(expected) + " channels", got);
}

std::string concat_misfit(const GraphLayer& layer, const Shapes& got) {
    const int dims = static_cast<int>(got.front().size());
    const int axis = layer.param(0, 0) < 0 ? layer.param(0, 0) + dims : layer.param(0, 0);
    for (const Shape& shape : got) {
        Shape a = got.front(), b = shape;
        if (a.size() != b.size() || axis < 0 || axis >= dims) return misfit("cannot join its inputs", shape);
        a[static_cast<std::size_t>(axis)] = b[static_cast<std::size_t>(axis)] = 0;
        if (a != b) return misfit("joins inputs like " + shape_text(got.front()), shape);
    }
    return "";
}

std::string eltwise_misfit(const Shapes& got) {
    for (const Shape& shape : got)
        if (shape != got.front()) return misfit("combines inputs like " + shape_text(got.front()), shape);
    return "";
}

std::string misfit_of(const GraphLayer& layer, const Shapes& got) {
    static const std::set<std::string> per_channel{"BatchNorm", "Bias",         "Scale",
                                                   "PReLU",     "InstanceNorm", "GroupNorm"};
    if (got.empty()) return "";
    for (const Shape& shape : got)
        if (shape.empty()) return "gets an empty input";
    if (layer.type == "Convolution" || layer.type == "ConvolutionDepthWise")
        return convolution_misfit(layer, got.front());
    if (layer.type == "Deconvolution" || layer.type == "DeconvolutionDepthWise")
        return deconvolution_misfit(layer, got.front());
    if (layer.type == "Convolution1D") return convolution1d_misfit(layer, got.front());
    if (layer.type == "InnerProduct") return inner_product_misfit(layer, got.front());
    if (layer.type == "Concat") return concat_misfit(layer, got);
    if (layer.type == "Eltwise") return eltwise_misfit(got);
    return per_channel.count(layer.type) ? per_channel_misfit(layer, got.front()) : "";
}

[[noreturn]] void reject(const Shape& input, const std::string& problem) {
    throw Failure(Exit::input, "input " + shape_text(input) + " does not fit the net: " + problem);
}

// type 1 hands the blob out as it is; converting it would cost a copy.
int extract_raw(ncnn::Extractor& extractor, const std::string& blob, Shape& shape) {
    ncnn::Mat mat;
    const int code = extractor.extract(blob.c_str(), mat, 1);
    shape = shape_of(mat);
    return code;
}

Shapes shapes_of(const std::map<std::string, Shape>& known, const std::vector<std::string>& blobs) {
    Shapes shapes;
    for (const std::string& blob : blobs) shapes.push_back(known.at(blob));
    return shapes;
}

}  // namespace

void check_fit(const ModelRequest& request, const Model& model, const Shape& input) {
    ncnn::Extractor extractor = model.net->create_extractor();
    extractor.input(request.input_blob.c_str(), splitmix_mat(input, 0));
    std::map<std::string, Shape> known{{request.input_blob, input}};
    for (const GraphLayer& layer : model.graph.layers()) {
        if (layer.type == "Input") continue;
        const std::string problem = misfit_of(layer, shapes_of(known, layer.bottoms));
        if (!problem.empty()) reject(input, layer.title() + " " + problem + "; give the shape it was made for");
        for (const std::string& top : layer.tops)
            if (const int code = extract_raw(extractor, top, known[top]))
                reject(input, layer.title() + " fails with ncnn code " + std::to_string(code));
    }
    for (const std::string& blob : request.output_blobs)
        if (known.at(blob).empty()) reject(input, "its output " + blob + " is empty");
}

void rehearse_model(const ModelRequest& request, const Graph& graph, const Shape& input) {
    rehearse([&](const Phase& begin) {
        begin("loading the net");
        const Model model = load_model(request, graph);
        begin("running the net on an input of " + shape_text(input));
        check_fit(request, model, input);
    });
}

}  // namespace nnrun
