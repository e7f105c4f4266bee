#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace nnrun {

using Tokens = std::vector<int>;

// How the next token is chosen.
struct SamplerPlan {
    double temperature = 0;         // 0: the most likely token, always
    int top_k = 0;                  // 0: all
    double top_p = 1;               // 1: all
    double min_p = 0;               // 0: all
    double repetition_penalty = 1;  // 1: none
    std::uint64_t seed = 1;
};

// Uniform numbers in [0, 1) that any program can make again from the seed: splitmix64, one step a number,
// (z >> 11) * 2^-53.
class Uniform {
public:
    explicit Uniform(std::uint64_t seed) : state_(seed) {}
    double operator()();

private:
    std::uint64_t state_;
};

// Which tokens may come next, a byte each; empty: any.
using TokenMask = std::vector<unsigned char>;

// Chooses tokens. In this order, which is llama.cpp's:
//   1. the mask: what it leaves out cannot be chosen
//   2. repetition penalty r (Keskar et al. 2019, as Hugging Face does it): the logit of each token that is in
//      the context already, prompt included, is divided by r when positive, else multiplied by it
//   3. top-k: the k largest logits
//   4. top-p: the fewest of the most likely whose probabilities add up to p or more; at least one
//   5. min-p: those at least min_p times as likely as the most likely one
//   6. temperature: logits are divided by it, and one draw decides along the remaining ids, smallest first
// Filters judge the probabilities of temperature 1, renormalised after each filter. Among equal logits the
// smaller id is the larger. With temperature 0 only the first two count, and nothing is drawn.
class Sampler {
public:
    Sampler(const SamplerPlan& plan, std::size_t vocabulary);

    // A token that is in the context from now on; a picture's ids are none of the vocabulary's.
    void see(int token) {
        if (static_cast<std::size_t>(token) < seen_.size()) seen_[static_cast<std::size_t>(token)] = 1;
    }
    void forget() { std::fill(seen_.begin(), seen_.end(), static_cast<unsigned char>(0)); }
    // A value for each token of the vocabulary; what is not finite is never chosen. The caller sees the
    // token itself. -1: no token is allowed.
    int choose(const float* logits, const TokenMask& mask = {});

private:
    struct Candidate {
        float logit;
        int id;
    };
    static bool is_likelier(const Candidate& a, const Candidate& b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

    // Of finite logits that are taken as they are; -1 where they are not.
    int likeliest(const float* logits, const TokenMask& mask) const;
    void collect(const float* logits, const TokenMask& mask);
    void keep_top_k();
    void keep_top_p();
    void keep_min_p();
    void sort_by_id();
    int draw();

    SamplerPlan plan_;
    Uniform uniform_;
    std::vector<unsigned char> seen_;
    std::vector<Candidate> candidates_;
    std::vector<double> weights_;
};

// log(softmax(logits)) of one token, summed in double.
double log_probability(const float* logits, std::size_t count, std::size_t token);

}  // namespace nnrun
