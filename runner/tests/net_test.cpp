// Checks of nets and tensors.

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <string>

#include "net/graph.h"
#include "net/layers.h"
#include "net/tensor.h"

namespace {

nnrun::GraphLayer layer(const std::string& type, const std::map<int, int>& params) { return {type, "l", {}, {}, params, {}}; }

TEST_CASE("shapes are checked") {
    using nnrun::shape_error;
    const auto conv = layer("Convolution", {{0, 8}, {1, 3}, {6, 216}});
    CHECK(shape_error(conv, {{3, 5, 5}}).empty());
    CHECK(!shape_error(conv, {{4, 5, 5}}).empty());
    CHECK(!shape_error(conv, {{3, 2, 5}}).empty());
    CHECK(!shape_error(conv, {{75}}).empty());
    const auto depthwise = layer("ConvolutionDepthWise", {{0, 6}, {1, 3}, {6, 54}, {7, 6}, {4, 1}});
    CHECK(shape_error(depthwise, {{6, 1, 1}}).empty());
    CHECK(!shape_error(depthwise, {{1, 4, 4}}).empty());
    const auto product = layer("InnerProduct", {{0, 10}, {2, 80}});
    CHECK(shape_error(product, {{8, 1, 1}}).empty());
    CHECK(shape_error(product, {{5, 8}}).empty());
    CHECK(!shape_error(product, {{9, 1, 1}}).empty());
    CHECK(shape_error(layer("Reshape", {{0, 5}, {1, 2}}), {{10}}).empty());
    CHECK(shape_error(layer("Reshape", {{0, -1}, {1, 2}}), {{10}}).empty());
    CHECK(!shape_error(layer("Reshape", {{0, 5}, {1, 7}}), {{10}}).empty());
    CHECK(!shape_error(layer("Reshape", {{0, -1}, {1, 4}}), {{10}}).empty());
    CHECK(shape_error(layer("Reshape", {{0, 0}, {1, 7}}), {{10}}).empty());
    CHECK(!shape_error(layer("Reshape", {{0, 2}}), {{10}}).empty());
    CHECK(!shape_error(layer("Concat", {{0, 0}}), {{3, 8, 8}, {3, 4, 4}}).empty());
    CHECK(shape_error(layer("Concat", {{0, 0}}), {{3, 8, 8}, {1, 8, 8}}).empty());
}

// Products of any two parameters are the numbers they are.
TEST_CASE("shapes are checked in 64 bits") {
    using nnrun::shape_error;
    constexpr int most = 2147483647;
    CHECK(!shape_error(layer("Convolution", {{0, 1}, {1, 65536}, {2, 65537}, {6, most}}), {{1, 5, 5}}).empty());
    CHECK(!shape_error(layer("Convolution", {{0, 1}, {1, 1}, {6, most}, {7, most}}), {{1, 5, 5}}).empty());
    CHECK(!shape_error(layer("Deconvolution", {{0, 1}, {1, 1}, {6, most}, {7, 3}}), {{1, 5, 5}}).empty());
    CHECK(shape_error(layer("Pooling", {{1, 2}, {3, most}}), {{1, 5, 5}}).empty());
}

TEST_CASE("splitmix64 is the published one") {
    ncnn::Mat blob(1);
    nnrun::fill_splitmix(blob, 0);
    // The first number of seed 0 is 0xE220A8397B1DCDAF.
    CHECK(blob[0] == static_cast<float>(0xE220A8) * 0x1p-23f - 1.0f);
}

TEST_CASE("values that are not finite are noticed") {
    ncnn::Mat blob(7, 5, 3);
    nnrun::fill_splitmix(blob, 1);
    CHECK(nnrun::all_finite(blob));
    blob.channel(1).row(2)[3] = std::numeric_limits<float>::max();
    CHECK(nnrun::all_finite(blob));
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::nanf("")}) {
        ncnn::Mat spoilt = blob.clone();
        spoilt.channel(2).row(4)[6] = bad;
        CHECK(!nnrun::all_finite(spoilt));
    }
}

}  // namespace
