#pragma once

#include <net.h>

#include <memory>
#include <string>
#include <vector>

#include "graph.h"
#include "precision.h"

namespace nnrun {

struct Request {
    std::string param;
    std::string bin;
    int threads = 1;
    int powersave = 0;
    std::string precision;
    std::string winograd = "auto";
    std::string input_blob;                 // "": the net's input
    std::vector<std::string> output_blobs;  // empty: all outputs
};

struct Blob {
    std::string name;
    int index = -1;
};

// A loaded net, ready to run, with what there is to say about it.
class Model {
public:
    explicit Model(const Request& request);

    const Request& request() const { return request_; }
    const Graph& graph() const { return graph_; }
    const ncnn::Net& net() const { return net_; }
    const Precision& precision() const { return precision_; }
    const std::string& weights() const { return weights_; }
    double load_ms() const { return load_ms_; }
    const Blob& input() const { return input_; }
    const std::vector<Blob>& outputs() const { return outputs_; }

    int blob_index(const std::string& name) const;
    // ncnn's return code; 0 is success.
    int run(const ncnn::Mat& input, std::vector<ncnn::Mat>& outputs) const;

private:
    void choose_input();
    void choose_outputs();
    void load();

    Request request_;
    Graph graph_;
    ncnn::Net net_;
    Precision precision_;
    std::string weights_;
    double load_ms_ = 0;
    Blob input_;
    std::vector<Blob> outputs_;
};

}  // namespace nnrun
