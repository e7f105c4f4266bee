// Runs one kernel of nnrun, or ncnn's own layer for the same, a number of times on one thread, so that its
// instructions can be counted. What they compute is tested elsewhere: here the weights are zeros and ones.
//
//   kernels ROUNDS ROWS linear OUTPUTS INPUTS BITS BLOCK
//   kernels ROUNDS ROWS gemm OUTPUTS INPUTS BITS BLOCK
//   kernels ROUNDS ROWS attention HEADS KV_HEADS HEAD_SIZE PAST FORMAT
//   kernels ROUNDS ROWS sdpa HEADS KV_HEADS HEAD_SIZE PAST
//
// Before that, whether this CPU's integer kernel gives the very sums of the portable one:
//
//   kernels 1 ROWS same BITS BLOCK AFFINE
//   kernels 1 QUERIES same_keys SIZE

#include <datareader.h>
#include <net.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/failure.h"
#include "kernels/attention.h"
#include "kernels/integer_panels.h"
#include "kernels/key_products.h"
#include "kernels/linear.h"
#include "kernels/own_layers.h"
#include "kernels/quantised_rows.h"
#include "kernels/section.h"

namespace {

using nnrun::KvCache;

struct Words {
    std::vector<std::string> words;

    const std::string& text(std::size_t at) const { return words.at(at); }
    int number(std::size_t at) const { return std::atoi(words.at(at).c_str()); }
};

// Sections and tagged weights alike begin with what they must; all else is zeros.
std::unique_ptr<unsigned char[]> weights_of(std::size_t bytes, std::uint32_t first) {
    std::unique_ptr<unsigned char[]> memory(new unsigned char[bytes + 64]());
    std::memcpy(memory.get(), &first, sizeof first);
    return memory;
}

struct Loaded {
    std::unique_ptr<unsigned char[]> weights;
    ncnn::Net net;
};

std::unique_ptr<Loaded> load(const std::string& layer, std::size_t inputs, std::size_t bytes, std::uint32_t first, bool fp16) {
    auto loaded = std::make_unique<Loaded>();
    loaded->net.opt.num_threads = 1;
    loaded->net.opt.use_fp16_packed = loaded->net.opt.use_fp16_storage = loaded->net.opt.use_fp16_arithmetic = fp16;
    nnrun::register_own_layers(loaded->net);
    std::string text = "7767517\n" + std::to_string(inputs + 1) + " " + std::to_string(inputs + 1) + "\n", blobs;
    for (std::size_t i = 0; i < inputs; ++i) {
        const std::string name = "in" + std::to_string(i);
        text += "Input " + name + " 0 1 " + name + "\n";
        blobs += name + " ";
    }
    text += layer.substr(0, layer.find(' ')) + " layer " + std::to_string(inputs) + " 1 " + blobs + "out" + layer.substr(layer.find(' ')) +
            "\n";
    loaded->weights = weights_of(bytes, first);
    const unsigned char* at = loaded->weights.get();
    // Sections are read where they lie, which must be aligned.
    ncnn::DataReaderFromMemory reader(at);
    if (loaded->net.load_param_mem(text.c_str()) != 0 || loaded->net.load_model(reader) != 0) {
        std::fprintf(stderr, "kernels: ncnn cannot load %s\n", layer.c_str());
        std::exit(1);
    }
    return loaded;
}

ncnn::Mat ones(int width, int height, int channels = 0) {
    ncnn::Mat values = channels > 0 ? ncnn::Mat(width, height, channels) : ncnn::Mat(width, height);
    values.fill(1.0f);
    return values;
}

void run(const Loaded& loaded, const std::vector<ncnn::Mat>& inputs, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        ncnn::Extractor extractor = loaded.net.create_extractor();
        for (std::size_t i = 0; i < inputs.size(); ++i) extractor.input(static_cast<int>(i), inputs[i]);
        ncnn::Mat output;
        if (extractor.extract("out", output) != 0) std::exit(1);
    }
}

std::size_t weight_count(const Words& words) {
    return (static_cast<std::size_t>(words.number(4)) + 8) * (static_cast<std::size_t>(words.number(5)) + 128);
}

// Twice what floats take: room for scales and parts' ends.
void linear(const Words& words) {
    const std::string params = " 0=" + words.text(4) + " 1=" + words.text(5) + " 2=" + words.text(6) + " 3=" + words.text(7);
    const auto loaded = load("LinearQ" + params, 1, weight_count(words) * 8, nnrun::section_mark, false);
    const nnrun::LinearQ& layer = *nnrun::linear_layers(loaded->net).front();
    const ncnn::Mat x = ones(words.number(5), words.number(2));
    ncnn::Mat y(words.number(4), words.number(2));
    for (int round = 0; round < words.number(1); ++round) layer.compute(x, words.number(2), nullptr, y, 1);
}

constexpr std::uint32_t fp16_tag = 0x01306B47;

void gemm(const Words& words) {
    const int bits = words.number(6), block = words.number(7);
    const bool floats = bits >= 16;
    std::string params = " 2=0 3=1 4=0 5=1 6=1 7=0 8=" + words.text(4) + " 9=" + words.text(5) + " 10=-1";
    if (!floats) params += " 18=" + std::to_string(bits * 100 + (block == 32 ? 0 : block == 64 ? 1 : 2));
    const auto loaded = load("Gemm" + params, 1, weight_count(words) * 8, bits == 16 ? fp16_tag : 0, bits == 16);
    run(*loaded, {ones(words.number(5), words.number(2))}, words.number(1));
}

nnrun::CacheFormat format_of(const std::string& name) {
    if (name == "fp32") return nnrun::CacheFormat::fp32;
    return name == "fp16" ? nnrun::CacheFormat::fp16 : nnrun::CacheFormat::int8;
}

void attention(const Words& words) {
    const int heads = words.number(4), kv_heads = words.number(5), size = words.number(6), past = words.number(7), rows = words.number(2);
    const std::string params =
        " 0=" + words.text(4) + " 1=" + words.text(5) + " 2=" + words.text(6) + " 3=0.125 4=" + words.text(6) + " 7=1";
    const auto loaded = load("Attention" + params, 1, 4096, nnrun::section_mark, false);
    KvCache cache(kv_heads, size, past + rows, format_of(words.text(8)));
    const std::vector<float> row(static_cast<std::size_t>(kv_heads * size), 0.5f);
    while (cache.rows() < past) cache.append(row.data(), row.data());
    nnrun::Attention& layer = *nnrun::attention_layers(loaded->net).front();
    layer.bind(&cache);
    const std::vector<ncnn::Mat> qkv{ones((heads + 2 * kv_heads) * size, rows)};
    std::vector<ncnn::Mat> tops(1);
    for (int round = 0; round < words.number(1); ++round) {
        if (layer.forward(qkv, tops, loaded->net.opt) != 0) std::exit(1);
        cache.truncate(past);
    }
}

// Without a cache of its own: the keys and values are there, as a cache would give them.
void sdpa(const Words& words) {
    const int heads = words.number(4), kv_heads = words.number(5), size = words.number(6), rows = words.number(2);
    const int all = words.number(7) + rows;
    const auto loaded = load("SDPA 5=0 6=0.125", 3, 64, 0, true);
    run(*loaded, {ones(size, rows, heads), ones(size, all, kv_heads), ones(size, all, kv_heads)}, words.number(1));
}

// The same on every machine, from -1 to below 1.
class Noise {
public:
    float next() {
        state_ = state_ * 1664525u + 1013904223u;
        return static_cast<float>(state_ >> 8) / 8388608.0f - 1.0f;
    }

private:
    std::uint32_t state_ = 1;
};

void same(const Words& words) {
    const int rows = words.number(2), bits = words.number(4), block = words.number(5);
    constexpr std::size_t blocks = 3;
    const int inputs = static_cast<int>(blocks) * block - 5;
    const std::size_t panels = rows <= nnrun::tile_rows ? 3 : 1;
    Noise noise;
    std::vector<unsigned char> weights(panels * blocks * static_cast<std::size_t>(block * bits));
    std::vector<nnrun::Half> scales(panels * blocks * 8), minima(scales.size());
    std::vector<float> x(static_cast<std::size_t>(rows * inputs));
    for (auto& weight : weights) weight = static_cast<unsigned char>(static_cast<int>(noise.next() * 128));
    for (auto& scale : scales) scale = nnrun::to_half(noise.next() * 0.01f);
    for (auto& minimum : minima) minimum = nnrun::to_half(noise.next());
    for (auto& value : x) value = noise.next();
    const nnrun::QuantisedRows quantised(x.data(), rows, inputs, block, 1);
    const nnrun::IntegerPanels integers{
        panels, bits, block, blocks, weights.data(), scales.data(), words.number(6) != 0 ? minima.data() : nullptr};
    const std::size_t stride = nnrun::tiled_rows(rows) * 8;
    std::vector<float> portable(panels * stride), fastest(panels * stride);
    std::vector<signed char> unpacked(blocks * static_cast<std::size_t>(block) * 8);
    nnrun::multiply_integers(integers, quantised, portable.data(), unpacked.data());
    nnrun::integer_product()(integers, quantised, fastest.data(), unpacked.data());
    for (std::size_t panel = 0; panel < panels; ++panel)
        if (std::memcmp(&portable[panel * stride], &fastest[panel * stride], static_cast<std::size_t>(rows) * 8 * sizeof(float)) != 0)
            throw std::runtime_error("the sums differ from those of the portable kernel");
}

void same_keys(const Words& words) {
    const int queries = words.number(2), size = words.number(4);
    constexpr std::size_t stride = 8;
    Noise noise;
    std::vector<float> values(static_cast<std::size_t>(queries * size)), scales(8);
    std::vector<std::int8_t> keys(static_cast<std::size_t>(size) * 8);
    for (auto& value : values) value = noise.next();
    for (auto& key : keys) key = static_cast<std::int8_t>(noise.next() * 128);
    for (auto& scale : scales) scale = noise.next();
    const nnrun::IntegerQueries integers(values.data(), static_cast<std::size_t>(size), queries, size);
    std::vector<float> portable(static_cast<std::size_t>(queries) * stride), fastest(portable.size());
    nnrun::multiply_keys(integers, keys.data(), scales.data(), portable.data(), stride);
    nnrun::key_product()(integers, keys.data(), scales.data(), fastest.data(), stride);
    if (std::memcmp(portable.data(), fastest.data(), portable.size() * sizeof(float)) != 0)
        throw std::runtime_error("the scores differ from those of the portable kernel");
}

}  // namespace

int main(int count, char** arguments) {
    const Words words{{arguments, arguments + count}};
    try {
        if (words.text(3) == "same") same(words);
        if (words.text(3) == "same_keys") same_keys(words);
        if (words.text(3) == "linear") linear(words);
        if (words.text(3) == "gemm") gemm(words);
        if (words.text(3) == "attention") attention(words);
        if (words.text(3) == "sdpa") sdpa(words);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "kernels: %s\n", error.what());
        return 1;
    }
    return 0;
}
