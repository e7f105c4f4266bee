// What needs neither a model nor a picture. Exit code 0 means that all of it holds.

#include <cstdio>
#include <string>
#include <vector>

#include "args.h"
#include "expect.h"
#include "failure.h"
#include "json.h"
#include "orientation.h"
#include "splitmix.h"
#include "text.h"

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "FAILED: %s\n", what);
    ++failures;
}

#define EXPECT(condition) expect(condition, #condition)

void json_is_valid_utf8() {
    using nnrun::json::quote;
    EXPECT(quote("a\"\\\n\x01") == "\"a\\\"\\\\\\n\\u0001\"");
    EXPECT(quote("\xC3\xA9") == "\"\xC3\xA9\"");
    EXPECT(quote("\xFF") == "\"\xEF\xBF\xBD\"");
    EXPECT(quote("\xED\xA0\x80").find('\xED') == std::string::npos);  // a surrogate
    EXPECT(quote("\xC3") == "\"\xEF\xBF\xBD\"");                      // cut off
    EXPECT(nnrun::json::number(0.1f) == "0.1");
}

void numbers_are_whole_words() {
    EXPECT(!nnrun::parse_integer("8x") && !nnrun::parse_integer("") && !nnrun::parse_number("nan"));
    EXPECT(*nnrun::parse_unsigned("18446744073709551615") == 18446744073709551615u);
    EXPECT(nnrun::nearest("--loop", {"--loops", "--help"}) == "--loops");
    EXPECT(nnrun::nearest("--zzzzzz", {"--loops", "--help"}).empty());
}

std::string problem(const std::vector<std::string>& line) {
    const nnrun::Verb verb{"v", "", "", {{"--n", "N", "", true}, {"--m", "M", ""}}};
    try {
        const nnrun::Args args(verb, line);
        args.integer("--n", 1, 9, 1);
    } catch (const nnrun::Failure& failure) {
        return failure.what();
    }
    return "";
}

void arguments_are_strict() {
    EXPECT(problem({"--n", "3"}).empty() && problem({"--n=3"}).empty());
    EXPECT(!problem({}).empty() && !problem({"--n"}).empty() && !problem({"--n", "0"}).empty());
    EXPECT(!problem({"--n", "3", "--n", "4"}).empty() && !problem({"--n", "3", "x"}).empty());
    EXPECT(problem({"--n", "3", "--mm", "1"}).find("did you mean --m?") != std::string::npos);
}

nnrun::GraphLayer layer(const std::string& type, const std::map<int, int>& params) { return {type, "l", {}, {}, params}; }

void shapes_are_checked() {
    using nnrun::complaint;
    const auto conv = layer("Convolution", {{0, 8}, {1, 3}, {6, 216}});
    EXPECT(complaint(conv, {{3, 5, 5}}).empty());
    EXPECT(!complaint(conv, {{4, 5, 5}}).empty() && !complaint(conv, {{3, 2, 5}}).empty() && !complaint(conv, {{75}}).empty());
    const auto depthwise = layer("ConvolutionDepthWise", {{0, 6}, {1, 3}, {6, 54}, {7, 6}, {4, 1}});
    EXPECT(complaint(depthwise, {{6, 1, 1}}).empty() && !complaint(depthwise, {{1, 4, 4}}).empty());
    const auto product = layer("InnerProduct", {{0, 10}, {2, 80}});
    EXPECT(complaint(product, {{8, 1, 1}}).empty() && complaint(product, {{5, 8}}).empty());
    EXPECT(!complaint(product, {{9, 1, 1}}).empty());
    EXPECT(!complaint(layer("Concat", {{0, 0}}), {{3, 8, 8}, {3, 4, 4}}).empty());
    EXPECT(complaint(layer("Concat", {{0, 0}}), {{3, 8, 8}, {1, 8, 8}}).empty());
}

void broken_exif_is_upright() {
    const unsigned char turned[] = "II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
    EXPECT(nnrun::exif_orientation(turned, sizeof turned) == 6);
    for (std::size_t size = 0; size < 18; ++size) EXPECT(nnrun::exif_orientation(turned, size) == 1);
}

void splitmix_is_the_published_one() {
    ncnn::Mat blob(1);
    nnrun::fill_splitmix(blob, 0);
    // The first number of seed 0 is 0xE220A8397B1DCDAF.
    EXPECT(blob[0] == static_cast<float>(0xE220A8) * 0x1p-23f - 1.0f);
}

}  // namespace

int main() {
    json_is_valid_utf8();
    numbers_are_whole_words();
    arguments_are_strict();
    shapes_are_checked();
    broken_exif_is_upright();
    splitmix_is_the_published_one();
    return failures == 0 ? 0 : 1;
}
