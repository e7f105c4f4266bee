#include "net/graph.h"

#include <layer.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "core/failure.h"
#include "core/file.h"
#include "core/text.h"
#include "kernels/own_layers.h"

namespace nnrun {
namespace {

const char* const magic = "7767517";
constexpr long long max_count = 100000;

// An array's key as older converters write it: parameter 1 is -23301.
constexpr int first_array = -23300;

bool fits_int(long long value) { return value >= std::numeric_limits<int>::min() && value <= std::numeric_limits<int>::max(); }

bool built_in(const std::string& type) {
    const int index = ncnn::layer_to_index(type.c_str());
    if (index < 0) return false;
    const std::unique_ptr<ncnn::Layer> layer(ncnn::create_layer_cpu(index));
    return layer != nullptr;
}

long long count_at(const std::vector<std::string>& fields, std::size_t at) {
    const auto value = at < fields.size() ? parse_integer(fields[at]) : std::nullopt;
    return value && *value >= 0 && *value <= max_count ? *value : -1;
}

}  // namespace

int GraphLayer::param(int key, int fallback) const {
    const auto param = params.find(key);
    return param == params.end() ? fallback : param->second;
}

Graph::Graph(const std::string& path, const std::string& text) : path_(path), text_(text) {
    // A NUL would end the text for ncnn, and not for the checks below.
    if (text.find('\0') != std::string::npos) reject("not a text .param file; binary .param.bin files are not supported");
    const std::vector<std::string> lines = nonblank_lines(text);
    if (lines.empty()) reject("the file is empty");
    if (words(lines[0]) != std::vector<std::string>{magic})
        reject("not an ncnn .param file: it must begin with the line " + std::string(magic));
    const std::vector<std::string> counts = lines.size() > 1 ? words(lines[1]) : std::vector<std::string>{};
    const long long layers = count_at(counts, 0);
    blob_count_ = static_cast<int>(count_at(counts, 1));
    if (layers < 1 || blob_count_ < 1 || counts.size() != 2) reject("the second line must count the layers and blobs");
    if (static_cast<long long>(lines.size()) - 2 != layers)
        reject("it declares " + std::to_string(layers) + " layers and holds " + std::to_string(lines.size() - 2) +
               "; copy or convert it again");
    for (std::size_t i = 2; i < lines.size(); ++i) add(lines[i]);
    if (static_cast<int>(producers_.size()) != blob_count_)
        reject("it declares " + std::to_string(blob_count_) + " blobs and names " + std::to_string(producers_.size()) +
               "; convert it again");
}

void Graph::add(const std::string& line) {
    const std::vector<std::string> fields = words(line);
    const long long bottoms = count_at(fields, 2);
    const long long tops = count_at(fields, 3);
    if (bottoms < 0 || tops < 0 || static_cast<long long>(fields.size()) < 4 + bottoms + tops)
        reject("cannot read the layer line '" + line.substr(0, 80) + "'");
    const auto first_top = fields.begin() + 4 + bottoms;
    const auto first_param = first_top + tops;
    GraphLayer layer{fields[0], fields[1], {fields.begin() + 4, first_top}, {first_top, first_param}, {}, {}};
    if (layer.type.rfind("pnnx.", 0) == 0 || layer.type.find("::") != std::string::npos)
        reject(layer.title() + " was not lowered by pnnx; use the .ncnn.param file, or change the model");
    if (!is_own_layer(layer.type) && !built_in(layer.type)) reject(layer.title() + " has a type that this nnrun does not support");
    for (const std::string& blob : layer.bottoms) {
        if (producers_.count(blob) == 0) reject(layer.title() + " reads blob " + blob + ", which no layer produces");
        if (!readers_.emplace(blob, layers_.size()).second)
            reject("blob " + blob + " is read by two layers; ncnn needs a Split between them");
    }
    for (const std::string& blob : layer.tops)
        if (!producers_.emplace(blob, layers_.size()).second) reject("two layers make blob " + blob);
    for (auto word = first_param; word != fields.end(); ++word) add_param(layer, *word);
    layers_.push_back(layer);
}

void Graph::add_param(GraphLayer& layer, const std::string& word) const {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) return;
    const auto key = parse_integer(word.substr(0, equals));
    const auto value = parse_integer(word.substr(equals + 1));
    if (!key) return;
    if (!fits_int(*key) || (value && !fits_int(*value))) reject(layer.title() + ": " + word.substr(0, 80) + " is beyond 32 bits");
    const int id = static_cast<int>(*key);
    layer.keys.insert(id <= first_array ? first_array - id : id);
    if (value) layer.params[id] = static_cast<int>(*value);
}

void Graph::reject(const std::string& problem) const { throw Failure(Exit::model, path_ + ": " + problem); }

const GraphLayer* Graph::producer(const std::string& blob) const {
    const auto layer = producers_.find(blob);
    return layer == producers_.end() ? nullptr : &layers_[layer->second];
}

std::vector<std::string> Graph::inputs() const {
    std::vector<std::string> blobs;
    for (const GraphLayer& layer : layers_)
        if (layer.type == "Input") blobs.insert(blobs.end(), layer.tops.begin(), layer.tops.end());
    return blobs;
}

std::vector<std::string> Graph::outputs() const {
    std::vector<std::string> blobs;
    for (const GraphLayer& layer : layers_)
        for (const std::string& blob : layer.tops)
            if (readers_.count(blob) == 0) blobs.push_back(blob);
    return blobs;
}

std::vector<std::string> Graph::in_order(const std::vector<std::string>& blobs) const {
    const std::set<std::string> chosen(blobs.begin(), blobs.end());
    std::vector<std::string> sorted;
    for (const GraphLayer& layer : layers_)
        for (const std::string& blob : layer.tops)
            if (chosen.count(blob) != 0) sorted.push_back(blob);
    return sorted;
}

Graph read_graph(const std::string& path) {
    const std::vector<unsigned char> bytes = read_file(path, Exit::model);
    return Graph(path, std::string(bytes.begin(), bytes.end()));
}

}  // namespace nnrun
