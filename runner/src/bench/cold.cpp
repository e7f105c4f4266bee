#include "bench/cold.h"

#include "bench/pages.h"
#include "core/clock.h"
#include "core/failure.h"
#include "core/json.h"
#include "core/quiet.h"
#include "core/rehearsal.h"
#include "net/splitmix.h"

namespace nnrun {
namespace {

std::string drop_files(const Request& request) {
    const std::optional<bool> param = drop_pages(request.param);
    const std::optional<bool> bin = drop_pages(request.bin);
    if (!param || !bin) return "null";
    return *param && *bin ? "true" : "false";
}

double first_ms(const Model& model, const Shape& shape, unsigned long long seed) {
    ncnn::Mat input = make_mat(shape);
    if (input.empty()) throw Failure(Exit::input, "no memory for an input of " + shown(shape) + "; use a smaller one");
    fill_splitmix(input, seed);
    std::vector<ncnn::Mat> outputs(model.outputs().size());
    const Stopwatch watch;
    if (model.run(input, outputs) != 0) throw Failure(Exit::input, "the first inference failed; is there enough memory?");
    return watch.ms();
}

}  // namespace

std::string cold_line(const Request& request, const Shape& shape, unsigned long long seed) {
    return rehearse(request.param, [&] {
        const Quiet quiet;
        const std::string dropped = drop_files(request);
        const Stopwatch watch;
        const Model model(request);
        json::Object line;
        line.text("type", "cold").number("load_ms", watch.ms());
        line.number("first_ms", first_ms(model, shape, seed)).raw("dropped", dropped);
        return line.str();
    });
}

}  // namespace nnrun
