#include "net/probe.h"

#include "core/failure.h"
#include "core/rehearsal.h"
#include "core/text.h"
#include "net/layers.h"
#include "net/tensor.h"

namespace nnrun {
namespace {

std::vector<Shape> shapes_of(const std::vector<std::string>& blobs, const std::map<std::string, Shape>& known) {
    std::vector<Shape> shapes;
    for (const std::string& blob : blobs) shapes.push_back(known.at(blob));
    return shapes;
}

class Walk {
public:
    Walk(const Model& model, const std::vector<ncnn::Mat>& inputs, const std::set<std::string>& wanted, const Take& take)
        : model_(model), wanted_(wanted), take_(take), extractor_(model.net().create_extractor()) {
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
            if (shapes_.at(blob).empty()) throw Failure(Exit::input, layer.title() + " gets nothing in blob " + blob);
        const std::string wrong = complaint(layer, shapes_of(layer.bottoms, shapes_));
        if (!wrong.empty()) throw Failure(Exit::input, layer.title() + " " + wrong);
        for (const std::string& top : layer.tops)
            if (make(top) != 0) throw Failure(Exit::input, layer.title() + " cannot compute blob " + top);
    }

    // Where only the shape is wanted it stays as it is (type 1), else it is made floats.
    int make(const std::string& blob) {
        const bool wanted = wanted_.count(blob) != 0;
        ncnn::Mat made;
        const int failed = extractor_.extract(model_.blob_index(blob), made, wanted ? 0 : 1);
        shapes_[blob] = shape_of(made);
        if (wanted && failed == 0) take_(blob, made);
        return failed;
    }

    const Model& model_;
    const std::set<std::string>& wanted_;
    const Take& take_;
    ncnn::Extractor extractor_;
    Shapes shapes_;
};

std::string all_shapes(const std::vector<ncnn::Mat>& inputs) {
    std::vector<std::string> each;
    for (const ncnn::Mat& input : inputs) each.push_back(shown(shape_of(input)));
    return join(each, " and ");
}

}  // namespace

Shapes walk(const Model& model, const std::vector<ncnn::Mat>& inputs, const std::set<std::string>& wanted, const Take& take,
            const std::string& advice) {
    const Quiet quiet;
    try {
        return Walk(model, inputs, wanted, take).whole();
    } catch (const Failure& failure) {
        if (failure.code != Exit::input) throw;
        throw Failure(failure.code, "the net cannot take the shape " + all_shapes(inputs) + ": " + failure.what() + "; " + advice);
    }
}

std::vector<Shape> probe(const Model& model, const Shape& shape, const std::string& advice) {
    check_memory(shape);
    ncnn::Mat input = make_mat(shape);
    if (input.empty()) throw Failure(Exit::input, "no memory for an input of " + shown(shape) + "; use a smaller one");
    fill_splitmix(input, 1);
    const Shapes met = walk(model, {input}, {}, {}, advice);
    std::vector<std::string> names;
    for (const Blob& output : model.outputs()) names.push_back(output.name);
    return shapes_of(names, met);
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
