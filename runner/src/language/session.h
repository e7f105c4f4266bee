#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kv_cache.h"
#include "language/picture_rows.h"
#include "language/sampler.h"
#include "net/model.h"

namespace nnrun {

class Attention;
class LinearQ;

struct SessionPlan {
    int context = 2048;  // tokens, prompt and answer together
    CacheFormat cache = CacheFormat::fp16;
    int chunk = 128;  // tokens of a prompt that are read at once
};

// What the .param of a language model must be: an Input for rows of embeddings, a layer "lm_head" (LinearQ) whose input
// is the last hidden state, and, where its rows are not the embeddings as well, a layer "embed_tokens" (LinearQ) on
// an Input of its own. Anything else is a Failure with Exit::model.
Request language_request(const Request& request);

// A language model at work: its net, and what the net remembers of the tokens it has read.
class Session {
public:
    // The model must outlive it. A cache that does not fit into the memory is a Failure with Exit::input.
    Session(Model& model, const SessionPlan& plan);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    std::size_t vocabulary() const;
    int context() const { return plan_.context; }
    int chunk() const { return plan_.chunk; }
    // Tokens read so far.
    int rows() const;
    // Forgets what came after the first `rows` tokens.
    void truncate(int rows);

    // Tokens may be this picture's ids from now on, whose rows are there when they are read. It must outlive this.
    void show(const PictureRows& picture) { picture_ = &picture; }
    // Features of a row of embeddings.
    int width() const;

    // Reads further tokens, for which there must be room, and returns a row of logits for each of the last `wanted`
    // of them, valid until the next call; null when none is wanted.
    const float* read(const int* tokens, int count, int wanted, int threads);

    // What a step reads: weights in the file, all of them but embeddings that are not the head's.
    std::size_t weight_bytes() const;
    // What the tokens read so far take, and what is reserved for as many as fit.
    std::size_t cache_bytes() const;
    std::size_t reserved_bytes() const;
    int layers() const { return static_cast<int>(caches_.size()); }
    const std::vector<std::unique_ptr<KvCache>>& caches() const { return caches_; }
    const Model& model() const { return model_; }

private:
    void find_layers();
    void make_caches();
    void check_tokens(const int* tokens, int count) const;
    bool is_shown(int token) const { return picture_ != nullptr && picture_->has(token); }
    ncnn::Mat embed(const int* tokens, int count) const;
    ncnn::Mat hidden(const ncnn::Mat& embeddings, int threads);

    Model& model_;
    SessionPlan plan_;
    LinearQ* head_ = nullptr;
    LinearQ* embedding_ = nullptr;  // the head, or a layer of its own
    const PictureRows* picture_ = nullptr;
    int input_ = 0;
    int output_ = 0;
    std::vector<Attention*> attentions_;
    std::vector<std::unique_ptr<KvCache>> caches_;
    std::vector<float> logits_;
};

}  // namespace nnrun
