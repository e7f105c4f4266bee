#include "probe.h"

#include <map>

#include "expect.h"
#include "failure.h"
#include "quiet.h"
#include "rehearsal.h"
#include "splitmix.h"

namespace nnrun {
namespace {

std::vector<Shape> shapes_of(const std::vector<std::string>& blobs, const std::map<std::string, Shape>& known) {
    std::vector<Shape> shapes;
    for (const std::string& blob : blobs) shapes.push_back(known.at(blob));
    return shapes;
}

// Without conversion (type 1): only the shape is wanted.
int measure(ncnn::Extractor& extractor, int blob, Shape& shape) {
    ncnn::Mat made;
    const int failed = extractor.extract(blob, made, 1);
    shape = shape_of(made);
    return failed;
}

void step(const Model& model, const GraphLayer& layer, ncnn::Extractor& extractor, std::map<std::string, Shape>& known) {
    const std::string wrong = complaint(layer, shapes_of(layer.bottoms, known));
    if (!wrong.empty()) throw Failure(Exit::input, layer.title() + " " + wrong);
    for (const std::string& top : layer.tops)
        if (measure(extractor, model.blob_index(top), known[top]) != 0)
            throw Failure(Exit::input, layer.title() + " cannot compute blob " + top);
}

}  // namespace

std::vector<Shape> probe(const Model& model, const Shape& shape, const std::string& advice) {
    const Quiet quiet;
    ncnn::Mat input = make_mat(shape);
    if (input.empty()) throw Failure(Exit::input, "no memory for an input of " + shown(shape) + "; use a smaller one");
    fill_splitmix(input, 1);
    std::map<std::string, Shape> known{{model.input().name, shape}};
    ncnn::Extractor extractor = model.net().create_extractor();
    extractor.input(model.input().index, input);
    try {
        for (const GraphLayer& layer : model.graph().layers())
            if (layer.type != "Input") step(model, layer, extractor, known);
    } catch (const Failure& failure) {
        throw Failure(failure.code, "the net cannot take the shape " + shown(shape) + ": " + failure.what() + "; " + advice);
    }
    std::vector<std::string> names;
    for (const Blob& output : model.outputs()) names.push_back(output.name);
    return shapes_of(names, known);
}

void rehearse_model(const Request& request, const Shape& shape, const std::string& advice, const OutputsCheck& check) {
    rehearse(request.param, [&] {
        const Quiet quiet;
        const Model model(request);
        if (shape.empty()) return std::string();
        const std::vector<Shape> outputs = probe(model, shape, advice);
        if (check) check(outputs);
        return std::string();
    });
}

}  // namespace nnrun
