#include "language/session.h"

#include <algorithm>
#include <string>

#include "core/failure.h"
#include "core/machine.h"
#include "kernels/attention.h"
#include "kernels/linear.h"
#include "kernels/own_layers.h"
#include "net/tensor.h"

namespace nnrun {
namespace {

const char* const head_name = "lm_head";
const char* const embedding_name = "embed_tokens";

const GraphLayer* find_layer(const Graph& graph, const std::string& name) {
    for (const GraphLayer& layer : graph.layers())
        if (layer.name == name && layer.type == "LinearQ") return &layer;
    return nullptr;
}

const GraphLayer& head_of(const Graph& graph, const std::string& path) {
    const GraphLayer* head = find_layer(graph, head_name);
    if (head == nullptr)
        throw Failure(Exit::model, path + ": not a language model: it has no layer lm_head (LinearQ); convert one with task: generate");
    return *head;
}

std::string megabytes(std::size_t bytes) { return std::to_string((bytes >> 20) + 1) + " MB"; }

}  // namespace

Request language_request(const Request& request) {
    const Graph graph = read_graph(request.param);
    Request language = request;
    language.inputs = find_layer(graph, embedding_name) == nullptr ? 1 : 2;
    language.output_blobs = {head_of(graph, request.param).bottoms.front()};
    return language;
}

Session::Session(Model& model, const SessionPlan& plan) : model_(model), plan_(plan) {
    find_layers();
    make_caches();
}

Session::~Session() {
    for (Attention* layer : attentions_) layer->bind(nullptr);
}

void Session::find_layers() {
    const std::string& path = model_.request().param;
    head_ = linear_layer(model_.net(), head_name);
    embedding_ = linear_layer(model_.net(), embedding_name);
    const GraphLayer* own = find_layer(model_.graph(), embedding_name);
    if (embedding_ == nullptr) embedding_ = head_;
    for (const Blob& input : model_.inputs())
        if (own == nullptr || own->bottoms.front() != input.name) input_ = input.index;
    output_ = model_.outputs().front().index;
    attentions_ = attention_layers(model_.net());
    if (embedding_->shape().inputs != head_->shape().inputs || embedding_->shape().outputs != head_->shape().outputs)
        throw Failure(Exit::model, path + ": embed_tokens and lm_head do not belong together");
    if (attentions_.empty()) throw Failure(Exit::model, path + ": not a language model: it has no layer of type Attention");
    for (const Attention* layer : attentions_)
        if (layer->shape().causal == 0)
            throw Failure(Exit::model, path + ": not a language model: " + layer->name + " attends to later tokens");
}

void Session::make_caches() {
    const std::size_t needed = reserved_bytes();
    const auto available = available_bytes();
    if (available && needed > *available)
        throw Failure(Exit::input, "a context of " + std::to_string(plan_.context) + " tokens takes " + megabytes(needed) +
                                       " of memory and " + megabytes(*available) + " are available; use a smaller --context");
    for (Attention* layer : attentions_) {
        const AttentionShape& shape = layer->shape();
        caches_.push_back(std::make_unique<KvCache>(shape.kv_heads, shape.head_size, plan_.context, plan_.cache));
        layer->bind(caches_.back().get());
    }
}

std::size_t Session::vocabulary() const { return static_cast<std::size_t>(head_->shape().outputs); }

int Session::width() const { return embedding_->shape().inputs; }

int Session::rows() const { return caches_.front()->rows(); }

void Session::truncate(int rows) {
    for (const auto& cache : caches_) cache->truncate(rows);
}

const float* Session::read(const int* tokens, int count, int wanted, int threads) {
    check_tokens(tokens, count);
    const ncnn::Mat rows = hidden(embed(tokens, count), threads);
    if (wanted == 0) return nullptr;
    logits_.resize(static_cast<std::size_t>(wanted) * vocabulary());
    head_->compute(rows.row(count - wanted), wanted, nullptr, logits_.data(), threads);
    return logits_.data();
}

void Session::check_tokens(const int* tokens, int count) const {
    const auto is_unknown = [&](int token) { return (token < 0 || static_cast<std::size_t>(token) >= vocabulary()) && !is_shown(token); };
    const int* const unknown = std::find_if(tokens, tokens + count, is_unknown);
    if (unknown != tokens + count)
        throw Failure(Exit::input, "token " + std::to_string(*unknown) + " is not in the model's vocabulary of " +
                                       std::to_string(vocabulary()) + "; does the tokenizer belong to it?");
}

ncnn::Mat Session::embed(const int* tokens, int count) const {
    ncnn::Mat rows(embedding_->shape().inputs, count);
    if (rows.empty()) throw Failure(Exit::input, "not enough memory for the prompt; use a smaller --chunk");
    for (int i = 0; i < count; ++i) {
        if (is_shown(tokens[i]))
            std::copy_n(picture_->row(tokens[i]), rows.w, rows.row(i));
        else
            embedding_->row(tokens[i], rows.row(i));
    }
    return rows;
}

ncnn::Mat Session::hidden(const ncnn::Mat& embeddings, int threads) {
    model_.net().opt.num_threads = threads;
    ncnn::Extractor extractor = model_.net().create_extractor();
    ncnn::Mat rows;
    const int failed = extractor.input(input_, embeddings) | extractor.extract(output_, rows);
    if (failed != 0) throw Failure(Exit::input, model_.request().param + ": the inference failed; is there enough memory?");
    if (rows.w != head_->shape().inputs || rows.h != embeddings.h)
        throw Failure(Exit::model, model_.request().param + ": lm_head gets " + format_shape(shape_of(rows)) + " and takes rows of " +
                                       std::to_string(head_->shape().inputs) + " values");
    if (!all_finite(rows)) throw Failure(Exit::model, model_.request().bin + ": the net computes NaN or infinity; convert it again");
    return rows;
}

std::size_t Session::weight_bytes() const {
    std::size_t bytes = 0;
    for (const LinearQ* layer : linear_layers(model_.net()))
        if (layer != embedding_ || embedding_ == head_) bytes += layer->weight_bytes();
    return bytes;
}

std::size_t Session::cache_bytes() const {
    std::size_t bytes = 0;
    for (const auto& cache : caches_) bytes += cache->bytes();
    return bytes;
}

std::size_t Session::reserved_bytes() const {
    const std::size_t value = plan_.cache == CacheFormat::fp32 ? 4 : plan_.cache == CacheFormat::fp16 ? 2 : 1;
    std::size_t values = 0;
    for (const Attention* layer : attentions_)
        values += 2 * static_cast<std::size_t>(layer->shape().kv_heads) * static_cast<std::size_t>(layer->shape().head_size);
    return values * value * static_cast<std::size_t>(plan_.context);
}

}  // namespace nnrun
