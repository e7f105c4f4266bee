#pragma once

#include <net.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "net/graph.h"
#include "net/precision.h"

namespace nnrun {

struct Request {
    std::string param;
    std::string bin;
    int threads = 1;
    int powersave = 0;
    std::string precision;
    std::string winograd = "auto";
    std::size_t inputs = 1;                 // that the net must have
    std::string input_blob;                 // "": the net's input
    std::vector<std::string> output_blobs;  // empty: all outputs
};

struct Blob {
    std::string name;
    int index = -1;
};

// A loaded net, ready to run, with its facts.
class Model {
public:
    explicit Model(const Request& request);
    ~Model();
    Model(const Model&) = delete;
    Model& operator=(const Model&) = delete;

    const Request& request() const { return request_; }
    const Graph& graph() const { return graph_; }
    const ncnn::Net& net() const { return net_; }
    ncnn::Net& net() { return net_; }
    const Precision& precision() const { return precision_; }
    const std::string& weights() const { return weights_; }
    double load_ms() const { return load_ms_; }
    const Blob& input() const { return inputs_.front(); }
    // In the order of the .param.
    const std::vector<Blob>& inputs() const { return inputs_; }
    // As they were requested; all outputs of a net come as pnnx numbers them (out0, out1 ...), or
    // else in the order in which the net makes them.
    const std::vector<Blob>& outputs() const { return outputs_; }

    int blob_index(const std::string& name) const;
    // An inference that ncnn gives up is a Failure with Exit::input.
    void run(const ncnn::Mat& input, std::vector<ncnn::Mat>& outputs) const { run(&input, outputs); }
    // As many inputs as the request says, in the order of the .param.
    void run(const ncnn::Mat* inputs, std::vector<ncnn::Mat>& outputs) const;

private:
    void choose_inputs();
    void choose_outputs();
    void load();

    Request request_;
    Graph graph_;
    std::unique_ptr<MappedFile> mapped_;  // weights that nnrun's own layers read where they lie
    ncnn::Net net_;
    Precision precision_;
    std::string weights_;
    double load_ms_ = 0;
    std::vector<Blob> inputs_;
    std::vector<Blob> outputs_;
    std::map<std::string, int> indices_;   // of all blobs
    std::vector<std::size_t> extraction_;  // of the outputs, in the order in which the net makes them
};

}  // namespace nnrun
