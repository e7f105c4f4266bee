#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace nnrun {

struct GraphLayer {
    std::string type;
    std::string name;
    std::vector<std::string> bottoms;
    std::vector<std::string> tops;
    std::map<int, int> params;  // whole-number parameters only: no others are needed here
    std::set<int> keys;         // of all parameters

    int param(int key, int fallback) const;
    bool has(int key) const { return keys.count(key) != 0; }
    // "layer conv1 (Convolution)"
    std::string title() const { return "layer " + name + " (" + type + ")"; }
};

// The text of a .param file, checked before ncnn sees it: ncnn reports faults as noise
// on stderr, and meets some of them only when it crashes.
class Graph {
public:
    Graph(const std::string& path, const std::string& text);

    const std::vector<GraphLayer>& layers() const { return layers_; }
    const std::string& text() const { return text_; }
    int blob_count() const { return blob_count_; }

    const GraphLayer* producer(const std::string& blob) const;
    std::vector<std::string> inputs() const;
    std::vector<std::string> outputs() const;  // blobs that no layer reads
    // The given blobs in the order in which the net makes them.
    std::vector<std::string> in_order(const std::vector<std::string>& blobs) const;

private:
    void add(const std::string& line);
    void add_param(GraphLayer& layer, const std::string& word) const;
    [[noreturn]] void reject(const std::string& problem) const;

    std::string path_;
    std::string text_;
    int blob_count_ = 0;
    std::vector<GraphLayer> layers_;
    std::map<std::string, std::size_t> producers_;
    std::map<std::string, std::size_t> readers_;
};

Graph read_graph(const std::string& path);

}  // namespace nnrun
