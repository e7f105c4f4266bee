#include "net/probe.h"

#include "core/failure.h"
#include "core/rehearsal.h"
#include "core/text.h"
#include "net/layers.h"
#include "net/tensor.h"

namespace nnrun {
namespace {

std::vector<Shape> shapes_of(const std::vector<std::string>& blobs, const Shapes& all) {
    std::vector<Shape> shapes;
    for (const std::string& blob : blobs) shapes.push_back(all.at(blob));
    return shapes;
}

// What a convolution hands on as int8: with fp16 storage ncnn leaves it so.
ncnn::Mat as_floats(const ncnn::Mat& blob) {
    if (blob.elembits() != 8) return blob;
    ncnn::Mat floats;
    ncnn::cast_int8_to_float32(blob, floats);
    return floats;
}

class Walk {
public:
    Walk(const Model& model, const std::vector<ncnn::Mat>& inputs, const std::set<std::string>& visited, const BlobVisitor& visit)
        : model_(model), visited_(visited), visit_(visit), extractor_(model.net().create_extractor()) {
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const Blob& input = model.inputs()[i];
            extractor_.input(input.index, inputs[i]);
            shapes_[input.name] = shape_of(inputs[i]);
        }
    }

    Shapes whole() {
        for (const GraphLayer& layer : model_.graph().layers())
            if (layer.type != "Input") step(layer);
        return std::move(shapes_);
    }

private:
    void step(const GraphLayer& layer) {
        for (const std::string& blob : layer.bottoms)
            if (shapes_.at(blob).empty()) throw Failure(Exit::input, layer.title() + " gets an empty blob " + blob);
        const std::string error = shape_error(layer, shapes_of(layer.bottoms, shapes_));
        if (!error.empty()) throw Failure(Exit::input, layer.title() + " " + error);
        for (const std::string& top : layer.tops)
            if (make(top) != 0) throw Failure(Exit::input, layer.title() + " cannot compute blob " + top);
    }

    // For its shape alone the blob stays as it is (type 1); one that is visited becomes floats.
    int make(const std::string& name) {
        const bool visited = visited_.count(name) != 0;
        ncnn::Mat blob;
        const int failed = extractor_.extract(model_.blob_index(name), blob, visited ? 0 : 1);
        shapes_[name] = shape_of(blob);
        if (visited && failed == 0) visit_(name, as_floats(blob));
        return failed;
    }

    const Model& model_;
    const std::set<std::string>& visited_;
    const BlobVisitor& visit_;
    ncnn::Extractor extractor_;
    Shapes shapes_;
};

std::string all_shapes(const std::vector<ncnn::Mat>& inputs) {
    std::vector<std::string> each;
    for (const ncnn::Mat& input : inputs) each.push_back(format_shape(shape_of(input)));
    return join(each, " and ");
}

}  // namespace

Shapes walk(const Model& model, const std::vector<ncnn::Mat>& inputs, const std::set<std::string>& visited, const BlobVisitor& visit,
            const std::string& advice) {
    const StderrCapture captured;
    try {
        return Walk(model, inputs, visited, visit).whole();
    } catch (const Failure& failure) {
        if (failure.code != Exit::input) throw;
        throw Failure(failure.code, "the net cannot take the shape " + all_shapes(inputs) + ": " + failure.what() + "; " + advice);
    }
}

std::vector<Shape> probe(const Model& model, const Shape& shape, const std::string& advice) {
    return probe(model, std::vector<Shape>{shape}, advice);
}

std::vector<Shape> probe(const Model& model, const std::vector<Shape>& shapes, const std::string& advice) {
    for (const Shape& shape : shapes) check_memory(shape);
    const Shapes all = walk(model, made_up(shapes, 1, Span()), {}, {}, advice);
    std::vector<std::string> names;
    for (const Blob& output : model.outputs()) names.push_back(output.name);
    return shapes_of(names, all);
}

void rehearse_model(const Request& request, const Shape& shape, const std::string& advice, const OutputsCheck& check) {
    rehearse_model(request, shape.empty() ? std::vector<Shape>() : std::vector<Shape>{shape}, advice, check);
}

void rehearse_model(const Request& request, const std::vector<Shape>& shapes, const std::string& advice, const OutputsCheck& check) {
    rehearse(request.param, [&] {
        const StderrCapture captured;
        const Model model(request);
        if (shapes.empty()) return std::string();
        const std::vector<Shape> outputs = probe(model, shapes, advice);
        if (check) check(outputs);
        return std::string();
    });
}

}  // namespace nnrun
