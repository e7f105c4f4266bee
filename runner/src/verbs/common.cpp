#include "verbs/common.h"

#include <cpu.h>

#include <algorithm>

#include "core/clock.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/machine.h"
#include "net/precision.h"

namespace nnrun {

std::vector<Flag> with_net_flags(const std::vector<Flag>& own) {
    const std::vector<Flag> flags{
        {"--param", "FILE", "the net, a text .param", true},
        {"--bin", "FILE", "its weights", true},
        {"--threads", "N", "default: the number of big cores"},
        {"--powersave", "0|1|2", "0 all cores, 1 little ones, 2 big ones; default 0"},
        {"--precision", "P", "fp32, fp16, bf16 or int8; default fp16, as ncnn's own"},
        {"--winograd", "TILE", "largest tile: 63, 43, 23 or off; default auto = 43 for fp16 and int8, else 63"},
        {"--input-blob", "NAME", "default: the net's input"},
        {"--output-blob", "NAME", "default: all outputs", false, true},
    };
    return join_flags({flags, own});
}

Request read_request(const Args& args) {
    Request request;
    request.param = args.text("--param");
    request.bin = args.text("--bin");
    const int cores = std::max(1, ncnn::get_cpu_count());
    request.threads = args.integer("--threads", 1, cores, std::clamp(ncnn::get_physical_big_cpu_count(), 1, cores));
    request.powersave = args.integer("--powersave", 0, 2, 0);
    request.precision = args.choice("--precision", {"fp32", "fp16", "bf16", "int8"}, "fp16");
    request.winograd = args.choice("--winograd", winograd_choices(), "auto");
    request.input_blob = args.text("--input-blob");
    request.output_blobs = args.texts("--output-blob");
    return request;
}

namespace {

const char* const version = NNRUN_VERSION;
const char* const build = NNRUN_BUILD_ID;
constexpr int schema = 1;

json::Object cpu() {
    json::Object object;
    object.text("arch", cpu_arch()).raw("features", json::strings(cpu_features()));
    object.integer("count", ncnn::get_cpu_count()).integer("big", ncnn::get_big_cpu_count());
    return object;
}

json::Object precision(const Precision& precision) {
    json::Object object;
    object.text("requested", precision.requested).text("storage", precision.storage).text("arithmetic", precision.arithmetic);
    object.text("label", precision.label).integer("layers", precision.layers);
    object.integer("quantized_layers", precision.quantized_layers).integer("fp16_weight_layers", precision.fp16_weight_layers);
    return object;
}

json::Object options(const ncnn::Option& option, const std::string& winograd) {
    json::Object object;
    object.text("winograd", winograd);
    object.boolean("lightmode", option.lightmode).integer("num_threads", option.num_threads);
    object.boolean("use_packing_layout", option.use_packing_layout);
    object.boolean("use_fp16_packed", option.use_fp16_packed).boolean("use_fp16_storage", option.use_fp16_storage);
    object.boolean("use_fp16_arithmetic", option.use_fp16_arithmetic);
    object.boolean("use_bf16_packed", option.use_bf16_packed).boolean("use_bf16_storage", option.use_bf16_storage);
    object.boolean("use_int8_inference", option.use_int8_inference).boolean("use_int8_packed", option.use_int8_packed);
    object.boolean("use_int8_storage", option.use_int8_storage).boolean("use_int8_arithmetic", option.use_int8_arithmetic);
    object.boolean("use_winograd_convolution", option.use_winograd_convolution);
    object.boolean("use_winograd23_convolution", option.use_winograd23_convolution);
    object.boolean("use_winograd43_convolution", option.use_winograd43_convolution);
    object.boolean("use_winograd63_convolution", option.use_winograd63_convolution);
    object.boolean("use_sgemm_convolution", option.use_sgemm_convolution);
    object.boolean("use_a53_a55_optimized_kernel", option.use_a53_a55_optimized_kernel);
    object.boolean("use_local_pool_allocator", option.use_local_pool_allocator);
    object.boolean("use_mapped_model_loading", option.use_mapped_model_loading);
    object.integer("flush_denormals", option.flush_denormals).integer("openmp_blocktime", option.openmp_blocktime);
    object.boolean("use_vulkan_compute", option.use_vulkan_compute);
    return object;
}

json::Object environment() {
    json::Object object;
    for (const std::string& variable : openmp_environment()) {
        const std::size_t equals = variable.find('=');
        object.text(variable.substr(0, equals), variable.substr(equals + 1));
    }
    return object;
}

json::Object description(const Model& model) {
    json::Object object;
    object.text("param", model.request().param).text("bin", model.request().bin);
    object.integer("layers", static_cast<long long>(model.graph().layers().size()));
    object.integer("blobs", model.graph().blob_count()).text("weights", model.weights());
    return object;
}

json::Object start(const Args& args) {
    json::Object line;
    line.text("type", "header").integer("schema", schema).text("nnrun", version).text("build", build);
    line.text("ncnn", NCNN_VERSION_STRING).text("task", args.verb()).number("uptime_s", to_milliseconds(uptime_s()));
    return line.raw("cpu", cpu().str());
}

json::Object header(const Args& args, const Model& model, const json::Object& input) {
    json::Object line = start(args);
    line.integer("threads", model.request().threads).integer("powersave", model.request().powersave);
    line.raw("precision", precision(model.precision()).str()).raw("options", options(model.net().opt, model.request().winograd).str());
    line.raw("env", environment().str()).raw("model", description(model).str()).raw("input", input.str());
    return line;
}

std::string load_line(double ms) { return json::Object().text("type", "load").number("ms", ms).str(); }

}  // namespace

std::string version_line() { return std::string("nnrun ") + version + " (build " + build + ", ncnn " + NCNN_VERSION_STRING + ")"; }

void write_header(const Args& args, const json::Object& input) { write_line(start(args).raw("input", input.str()).str()); }

void write_header(const Args& args, const Model& model, const json::Object& input) {
    write_line(header(args, model, input).str());
    write_line(load_line(model.load_ms()));
}

void write_header(const Args& args, const Model& model, const Model& second, const json::Object& input) {
    write_line(header(args, model, input).str());
    write_line(load_line(model.load_ms() + second.load_ms()));
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
