#include "net/model.h"

#include <cpu.h>

#include <algorithm>
#include <map>

#include "core/clock.h"
#include "core/failure.h"
#include "core/rehearsal.h"
#include "core/signals.h"
#include "core/text.h"
#include "kernels/own_layers.h"
#include "kernels/section.h"
#include "net/layers.h"
#include "net/precision.h"
#include "net/weights.h"

namespace nnrun {
namespace {

std::string quoted(const std::string& ncnn_line) { return ncnn_line.empty() ? "" : " (ncnn: " + ncnn_line + ")"; }

void load_graph(ncnn::Net& net, const Graph& graph, const std::string& path) {
    const StderrCapture captured;
    if (net.load_param_mem(graph.text().c_str()) != 0)
        throw Failure(Exit::model, path + ": ncnn cannot use this net" + quoted(captured.last_line()));
}

void check_counts(const ncnn::Net& net, const Graph& graph, const std::string& path) {
    for (std::size_t i = 0; i < graph.layers().size(); ++i) {
        std::string error = arity_error(graph.layers()[i], *net.layers()[i]);
        if (error.empty()) error = own_layer_problem(*net.layers()[i]);
        if (!error.empty()) throw Failure(Exit::model, path + ": " + graph.layers()[i].title() + " " + error + "; convert it again");
    }
}

int load_model(ncnn::Net& net, const WeightsFile& weights, const std::string& path) {
    try {
        return net.load_model(weights);
    } catch (const BadSection& bad) {
        throw Failure(Exit::model, path + ": " + bad.what());
    }
}

std::string load_weights(ncnn::Net& net, const std::string& path, const MappedFile* mapped) {
    const WeightsFile weights(path, mapped);
    const StderrCapture captured;
    const int failed = load_model(net, weights, path);
    if (failed != 0) throw Failure(Exit::model, path + ": ncnn cannot use these weights" + quoted(captured.last_line()));
    if (weights.used() != weights.size())
        throw Failure(Exit::model, path + ": the net uses " + std::to_string(weights.used()) + " of its " + std::to_string(weights.size()) +
                                       " bytes; it belongs to another .param");
    return weights.formats();
}

bool has_own_layers(const Graph& graph) {
    return std::any_of(graph.layers().begin(), graph.layers().end(), [](const GraphLayer& layer) { return is_own_layer(layer.type); });
}

// -1 when pnnx has not numbered it.
long long number_of(const std::string& blob) {
    const auto number = blob.rfind("out", 0) == 0 ? parse_integer(blob.substr(3)) : std::nullopt;
    return number.value_or(-1);
}

std::vector<std::string> as_numbered(std::vector<std::string> blobs) {
    const bool all = std::all_of(blobs.begin(), blobs.end(), [](const std::string& blob) { return number_of(blob) >= 0; });
    if (all) std::sort(blobs.begin(), blobs.end(), [](const auto& a, const auto& b) { return number_of(a) < number_of(b); });
    return blobs;
}

void bind_threads(int threads, int powersave) {
    const StderrCapture captured;
    if (ncnn::set_cpu_powersave(powersave) != 0)
        throw Failure(Exit::usage, "--powersave " + std::to_string(powersave) + ": the threads cannot be bound to such cores here");
    ncnn::set_omp_dynamic(0);
    ncnn::set_omp_num_threads(threads);
}

}  // namespace

Model::Model(const Request& request) : request_(request), graph_(read_graph(request.param)) {
    set_crash_subject(request.param);
    check_precision(graph_, request.precision, request.param);
    choose_inputs();
    choose_outputs();
    load();
}

// ncnn complains of what its own layers have left behind.
Model::~Model() {
    const StderrCapture captured;
    net_.clear();
}

void Model::choose_inputs() {
    const std::vector<std::string> names = graph_.inputs();
    if (names.size() != request_.inputs)
        throw Failure(Exit::model, request_.param + ": the net has " + std::to_string(names.size()) + " inputs (" + join(names, ", ") +
                                       "); nnrun feeds exactly " + (request_.inputs == 1 ? "one" : std::to_string(request_.inputs)) +
                                       " here");
    for (const std::string& name : names) inputs_.push_back({name, -1});
    if (!request_.input_blob.empty() && request_.input_blob != input().name)
        throw Failure(Exit::model, request_.param + ": no input blob " + request_.input_blob + "; the net's input is " + input().name);
}

void Model::choose_outputs() {
    const std::vector<std::string> names = request_.output_blobs.empty() ? as_numbered(graph_.outputs()) : request_.output_blobs;
    for (const std::string& name : names)
        if (graph_.producer(name) == nullptr || name == input().name)
            throw Failure(Exit::model,
                          request_.param + ": no output blob " + name + "; the net's outputs are " + join(graph_.outputs(), ", "));
    for (const std::string& name : names) outputs_.push_back({name, -1});
    std::map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < names.size(); ++i) places.emplace(names[i], i);
    for (const std::string& name : graph_.in_order(names)) extraction_.push_back(places.at(name));
    if (outputs_.empty()) throw Failure(Exit::model, request_.param + ": the net has no output");
}

void Model::load() {
    // Binding comes first: ncnn picks some kernels by the core on which it finds itself.
    bind_threads(request_.threads, request_.powersave);
    net_.opt = ncnn::Option();
    net_.opt.num_threads = request_.threads;
    set_precision(net_.opt, request_.precision);
    set_winograd(net_.opt, request_.winograd);
    const Stopwatch watch;
    register_own_layers(net_);
    load_graph(net_, graph_, request_.param);
    check_counts(net_, graph_, request_.param);
    free_masked_layers(net_, request_.winograd);
    if (has_own_layers(graph_)) mapped_ = std::make_unique<MappedFile>(request_.bin, Exit::model);
    weights_ = load_weights(net_, request_.bin, mapped_.get());
    load_ms_ = watch.ms();
    precision_ = real_precision(net_, graph_, request_.precision);
    for (const ncnn::Blob& blob : net_.blobs()) indices_.emplace(blob.name, static_cast<int>(indices_.size()));
    for (Blob& input : inputs_) input.index = blob_index(input.name);
    for (Blob& output : outputs_) output.index = blob_index(output.name);
}

int Model::blob_index(const std::string& name) const {
    const auto index = indices_.find(name);
    return index == indices_.end() ? -1 : index->second;
}

void Model::run(const ncnn::Mat* inputs, std::vector<ncnn::Mat>& outputs) const {
    ncnn::Extractor extractor = net_.create_extractor();
    int failed = 0;
    for (const Blob& blob : inputs_) failed |= extractor.input(blob.index, *inputs++);
    for (const std::size_t i : extraction_)
        if (failed == 0) failed = extractor.extract(outputs_[i].index, outputs[i]);
    if (failed != 0) throw Failure(Exit::input, request_.param + ": the inference failed; is there enough memory?");
}

}  // namespace nnrun
