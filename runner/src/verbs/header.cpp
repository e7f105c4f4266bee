#include "verbs/header.h"

#include <cpu.h>

#include "core/clock.h"
#include "core/machine.h"

namespace nnrun {
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

json::Object precision(const Precision& real) {
    json::Object object;
    object.text("requested", real.requested).text("storage", real.storage).text("arithmetic", real.arithmetic);
    object.text("label", real.label).integer("layers", real.layers);
    object.integer("quantized_layers", real.quantized_layers).integer("fp16_weight_layers", real.fp16_weight_layers);
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

json::Object beginning(const std::string& task) {
    json::Object line;
    line.text("type", "header").integer("schema", schema).text("nnrun", version).text("build", build);
    line.text("ncnn", NCNN_VERSION_STRING).text("task", task).number("uptime_s", to_milliseconds(uptime_s()));
    return line.raw("cpu", cpu().str());
}

}  // namespace

std::string version_line() {
    return std::string("nnrun ") + version + " (build " + build + ", ncnn " + NCNN_VERSION_STRING + ")";
}

std::string header_line(const std::string& task, const json::Object& input) {
    return beginning(task).raw("input", input.str()).str();
}

std::string header_line(const std::string& task, const Model& model, const json::Object& input) {
    json::Object line = beginning(task);
    line.integer("threads", model.request().threads).integer("powersave", model.request().powersave);
    line.raw("precision", precision(model.precision()).str()).raw("options", options(model.net().opt, model.request().winograd).str());
    line.raw("env", environment().str()).raw("model", description(model).str()).raw("input", input.str());
    return line.str();
}

std::string load_line(const Model& model) {
    return json::Object().text("type", "load").number("ms", model.load_ms()).str();
}

}  // namespace nnrun
