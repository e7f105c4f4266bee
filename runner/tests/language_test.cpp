// How tokens are chosen, where a text stops, and what prompt lookup drafts.

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "language/lookup.h"
#include "language/sampler.h"
#include "language/stops.h"

namespace {

using nnrun::Sampler;
using nnrun::SamplerPlan;
using nnrun::Tokens;

// Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 of the ids 2, 0, 4, 1, 3.
const std::vector<float> logits{-std::log(4.0f), -std::log(16.0f), -std::log(2.0f), -std::log(16.0f), -std::log(8.0f)};

std::map<int, int> drawn(const SamplerPlan& plan, int count = 4000, const nnrun::TokenMask& mask = {}) {
    Sampler sampler(plan, logits.size());
    std::map<int, int> counts;
    for (int i = 0; i < count; ++i) ++counts[sampler.choose(logits.data(), mask)];
    return counts;
}

std::vector<int> kept(const SamplerPlan& plan) {
    std::vector<int> ids;
    for (const auto& each : drawn(plan)) ids.push_back(each.first);
    return ids;
}

SamplerPlan warm(double temperature = 1) {
    SamplerPlan plan;
    plan.temperature = temperature;
    return plan;
}

TEST_CASE("the generator is splitmix64") {
    // Python: (z >> 11) * 2.0**-53 of the published constants, seed 1.
    nnrun::Uniform uniform(1);
    CHECK(uniform() == 0.5665615751722809);
    CHECK(uniform() == 0.7457817572627011);
}

TEST_CASE("without temperature the most likely token is chosen") {
    Sampler sampler({}, logits.size());
    CHECK(sampler.choose(logits.data()) == 2);
    CHECK(sampler.choose(logits.data(), {1, 1, 0, 1, 1}) == 0);
    CHECK(sampler.choose(logits.data(), {0, 1, 0, 1, 0}) == 1);  // the smaller of two equal ones
    CHECK(sampler.choose(logits.data(), {0, 0, 0, 0, 0}) == -1);
    const std::vector<float> broken{NAN, -1, INFINITY, -2, -3};
    CHECK(sampler.choose(broken.data()) == 1);
}

TEST_CASE("of a large vocabulary the first of the most likely tokens is chosen, and none that is not finite") {
    std::vector<float> values(1003, -5);
    Sampler sampler({}, values.size());
    CHECK(sampler.choose(values.data()) == 0);
    values[1002] = -4;  // beyond the last eight
    CHECK(sampler.choose(values.data()) == 1002);
    values[700] = values[701] = values[300] = 3;
    CHECK(sampler.choose(values.data()) == 300);
    for (const float strange : {NAN, INFINITY, -INFINITY})
        for (const std::size_t place : {0, 300, 511, 1002}) {
            std::vector<float> broken = values;
            broken[place] = strange;
            CHECK(sampler.choose(broken.data()) == (place == 300 ? 700 : 300));
        }
    const std::vector<float> none(1003, NAN);
    CHECK(sampler.choose(none.data()) == -1);
}

TEST_CASE("draws follow the probabilities, and repeat") {
    const auto counts = drawn(warm());
    CHECK(std::abs(counts.at(2) - 2000) < 130);
    CHECK(std::abs(counts.at(0) - 1000) < 110);
    CHECK(std::abs(counts.at(4) - 500) < 85);
    CHECK(drawn(warm()) == counts);
    SamplerPlan other = warm();
    other.seed = 2;
    CHECK(drawn(other) != counts);
    // Temperature 0.5 squares them: 64, 16, 4, 1, 1 of 86.
    CHECK(std::abs(drawn(warm(0.5)).at(2) - 4000 * 64 / 86) < 120);
}

TEST_CASE("filters keep what their definitions say") {
    SamplerPlan plan = warm();
    plan.top_k = 2;
    CHECK(kept(plan) == std::vector<int>{0, 2});
    plan.top_k = 4;
    CHECK(kept(plan) == std::vector<int>{0, 1, 2, 4});
    plan = warm();
    plan.top_p = 0.75;
    CHECK(kept(plan) == std::vector<int>{0, 2});
    plan.top_p = 0.76;
    CHECK(kept(plan) == std::vector<int>{0, 2, 4});
    plan.top_p = 0.0001;
    CHECK(kept(plan) == std::vector<int>{2});
    plan = warm();
    plan.min_p = 0.24;
    CHECK(kept(plan) == std::vector<int>{0, 2, 4});
    plan.min_p = 0.26;
    CHECK(kept(plan) == std::vector<int>{0, 2});
    // top-p counts among what top-k left: 0.5 of 0.75 is two thirds.
    plan = warm();
    plan.top_k = 2;
    plan.top_p = 0.6;
    CHECK(kept(plan) == std::vector<int>{2});
    // A temperature flattens after the filters, so these keep the same.
    plan = warm(100);
    plan.min_p = 0.26;
    CHECK(kept(plan) == std::vector<int>{0, 2});
}

TEST_CASE("the repetition penalty divides positive logits and multiplies negative ones") {
    SamplerPlan plan;
    plan.repetition_penalty = 2;
    const std::vector<float> values{3, 2, -1, -1.5f};
    Sampler sampler(plan, values.size());
    CHECK(sampler.choose(values.data()) == 0);
    sampler.see(0);
    CHECK(sampler.choose(values.data()) == 1);
    sampler.see(1);
    CHECK(sampler.choose(values.data()) == 0);
    CHECK(sampler.choose(values.data(), {0, 0, 1, 1}) == 2);
    sampler.see(2);
    CHECK(sampler.choose(values.data(), {0, 0, 1, 1}) == 3);
}

TEST_CASE("log probabilities are those of the softmax") {
    CHECK(std::fabs(nnrun::log_probability(logits.data(), 5, 2) - std::log(0.5)) < 1e-6);
    const std::vector<float> far{1000, 0};
    CHECK(nnrun::log_probability(far.data(), 2, 1) == -1000);
}

std::string shown(nnrun::Stops& stops, const std::vector<std::string>& pieces) {
    std::string text;
    for (const std::string& piece : pieces) text += stops.add(piece) + "|";
    return text;
}

TEST_CASE("a stop string ends the text across the borders of tokens") {
    nnrun::Stops one({"\nUser:"});
    CHECK(shown(one, {"Hello", "\n", "Us", "er", ": no", "more"}) == "Hello|||||" + std::string("|"));
    CHECK(one.met() == "\nUser:");
    CHECK(one.finish().empty());
    nnrun::Stops again({"\nUser:"});
    CHECK(shown(again, {"a\n", "Use", "ful"}) == "a||\nUseful|");
    CHECK(again.met().empty());
    CHECK(again.add("\nUse").empty());
    CHECK(again.finish() == "\nUse");
}

TEST_CASE("the first of several stop strings counts, and of those the longest") {
    nnrun::Stops stops({"c", "bc", "bcd", "zz"});
    CHECK(stops.add("abcdzz") == "a");
    CHECK(stops.met() == "bcd");
    nnrun::Stops itself({"aab"});
    CHECK(shown(itself, {"aa", "a", "b"}) == "|a||");
    CHECK(itself.met() == "aab");
    nnrun::Stops none({});
    CHECK(none.add("x") == "x");
}

TEST_CASE("prompt lookup drafts what followed before") {
    const nnrun::LookupPlan plan{4, 3, 2};
    CHECK(nnrun::draft(plan, {1, 2, 3, 4, 5, 9, 1, 2, 3}, 9) == Tokens{4, 5, 9, 1});
    CHECK(nnrun::draft(plan, {1, 2, 3, 4, 5, 9, 1, 2, 3}, 2) == Tokens{4, 5});
    CHECK(nnrun::draft(plan, {1, 2, 7, 1, 2, 8, 1, 2}, 1) == Tokens{8});  // the latest
    // The longest run of equal tokens counts before the latest.
    CHECK(nnrun::draft(plan, {5, 1, 2, 7, 6, 1, 2, 8, 5, 1, 2}, 1) == Tokens{7});
    CHECK(nnrun::draft(plan, {3, 3, 3}, 4) == Tokens{3});  // may overlap with itself
    CHECK(nnrun::draft(plan, {1, 2, 3, 4}, 4).empty());
    CHECK(nnrun::draft(plan, {1}, 4).empty());
    CHECK(nnrun::draft(plan, {}, 4).empty());
    CHECK(nnrun::draft({0, 3, 2}, {1, 2, 1, 2, 1, 2}, 4).empty());
}

}  // namespace
