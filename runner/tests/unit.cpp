// What needs neither a model nor a picture. Exit code 0 means that all of it holds.

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/sampling.h"
#include "core/args.h"
#include "core/failure.h"
#include "core/firmware.h"
#include "core/json.h"
#include "core/machine.h"
#include "core/text.h"
#include "expected.h"
#include "io/image.h"
#include "net/layers.h"
#include "net/tensor.h"

namespace {

void json_is_valid_utf8() {
    using nnrun::json::quote;
    EXPECT(quote("a\"\\\n\x01") == "\"a\\\"\\\\\\n\\u0001\"");
    EXPECT(quote("").size() == 2 && quote("plain ~!") == "\"plain ~!\"");
    EXPECT(quote("a\"b\x7F" "c") == "\"a\\\"b\\u007fc\"");
    EXPECT(quote("\xC3\xA9") == "\"\xC3\xA9\"");
    EXPECT(quote("\xFF") == "\"\xEF\xBF\xBD\"");
    EXPECT(quote("\xED\xA0\x80").find('\xED') == std::string::npos);  // a surrogate
    EXPECT(quote("\xC3") == "\"\xEF\xBF\xBD\"");                      // cut off
    EXPECT(nnrun::json::number(0.1f) == "0.1");
    EXPECT(nnrun::json::floats({NAN, -INFINITY, 1}) == "[null,null,1]" && nnrun::json::number(-std::nan("")) == "null");
    EXPECT(nnrun::json::Object().str() == "{}");
    EXPECT(nnrun::json::Object().integer("a", 1).raw("b", "null").text("c", "\t").str() == "{\"a\":1,\"b\":null,\"c\":\"\\t\"}");
}

void numbers_are_whole_words() {
    EXPECT(!nnrun::parse_integer("8x") && !nnrun::parse_integer("") && !nnrun::parse_number("nan"));
    EXPECT(*nnrun::parse_unsigned("18446744073709551615") == 18446744073709551615u);
    EXPECT(nnrun::nearest("--loop", {"--loops", "--help"}) == "--loops");
    EXPECT(nnrun::nearest("--zzzzzz", {"--loops", "--help"}).empty());
}

std::string problem(const std::vector<std::string>& line) {
    const nnrun::Verb verb{"v", "", "", {{"--n", "N", "", true}, {"--m", "M", ""}, {"--s", "", ""}}};
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
    EXPECT(problem({"--s", "--n", "3"}).empty() && problem({"--n", "3", "--s"}).empty());
    EXPECT(!problem({"--n", "3", "--s=1"}).empty() && !problem({"--n", "3", "--s", "1"}).empty());
    EXPECT(!problem({"--n", "3", "--s", "--s"}).empty());
}

nnrun::GraphLayer layer(const std::string& type, const std::map<int, int>& params) { return {type, "l", {}, {}, params, {}}; }

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
    EXPECT(complaint(layer("Reshape", {{0, 5}, {1, 2}}), {{10}}).empty() && complaint(layer("Reshape", {{0, -1}, {1, 2}}), {{10}}).empty());
    EXPECT(!complaint(layer("Reshape", {{0, 5}, {1, 7}}), {{10}}).empty() && !complaint(layer("Reshape", {{0, -1}, {1, 4}}), {{10}}).empty());
    EXPECT(complaint(layer("Reshape", {{0, 0}, {1, 7}}), {{10}}).empty() && !complaint(layer("Reshape", {{0, 2}}), {{10}}).empty());
    EXPECT(!complaint(layer("Concat", {{0, 0}}), {{3, 8, 8}, {3, 4, 4}}).empty());
    EXPECT(complaint(layer("Concat", {{0, 0}}), {{3, 8, 8}, {1, 8, 8}}).empty());
}

// Products of any two parameters are the numbers they are.
void shapes_are_checked_in_64_bits() {
    using nnrun::complaint;
    constexpr int most = 2147483647;
    EXPECT(!complaint(layer("Convolution", {{0, 1}, {1, 65536}, {2, 65537}, {6, most}}), {{1, 5, 5}}).empty());
    EXPECT(!complaint(layer("Convolution", {{0, 1}, {1, 1}, {6, most}, {7, most}}), {{1, 5, 5}}).empty());
    EXPECT(!complaint(layer("Deconvolution", {{0, 1}, {1, 1}, {6, most}, {7, 3}}), {{1, 5, 5}}).empty());
    EXPECT(complaint(layer("Pooling", {{1, 2}, {3, most}}), {{1, 5, 5}}).empty());
}

std::string too_much(std::uint64_t bytes, std::optional<std::uint64_t> available) {
    try {
        nnrun::check_memory(1000, 1000, bytes, available);
    } catch (const nnrun::Failure& failure) {
        return failure.what();
    }
    return "";
}

void a_picture_fits_the_boards_memory() {
    constexpr std::uint64_t megabyte = 1'000'000;
    EXPECT(too_much(400 * megabyte, std::nullopt).empty() && !too_much(401 * megabyte, std::nullopt).empty());
    EXPECT(too_much(100 * megabyte, 200 * megabyte).empty());
    EXPECT(too_much(101 * megabyte, 200 * megabyte).find("the limit is 100 MB here") != std::string::npos);
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

bool near(double a, double b) { return std::fabs(a - b) < 1e-9; }

// By hand: the range of six covers the median with 31/32, the next two with 25/32.
void the_interval_of_a_median_is_the_published_one() {
    double six[] = {4, 6, 1, 3, 2, 5};
    const auto found = nnrun::median_interval(six, 6);
    EXPECT(found && near(found->low, 1 + 0.5 / 1.4) && near(found->high, 6 - 0.5 / 1.4) && near(found->median, 3.5));
    EXPECT(found && near(found->half_width(), (5 - 1 / 1.4) / 2 / 3.5));
    EXPECT(!nnrun::median_interval(six, 5));
    double odd[] = {9, 1, 5};
    EXPECT(near(nnrun::median(odd, 3), 5) && near(nnrun::median(odd, 1), 1));
    double same[] = {2, 2, 2, 2, 2, 2, 2};
    EXPECT(nnrun::median_interval(same, 7)->half_width() == 0);
}

void the_kernels_files_are_understood() {
    EXPECT(nnrun::leading_integer("48200\n") == 48200 && !nnrun::leading_integer("") && !nnrun::leading_integer("hot\n"));
    EXPECT(nnrun::leading_number("0.52 0.58 0.59 1/389 4242\n") == 0.52);
    const char* const meminfo = "MemTotal:   8245824 kB\nMemFree:  1 kB\nMemAvailable:    7012345 kB\nSwapTotal: 10 kB\n";
    EXPECT(nnrun::memory_kb(meminfo, "MemAvailable:") == 7012345 && nnrun::memory_kb(meminfo, "SwapTotal:") == 10);
    EXPECT(!nnrun::memory_kb(meminfo, "SwapFree:") && !nnrun::memory_kb("MemAvailable:", "MemAvailable:"));
    EXPECT(nnrun::busy_ticks("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 1 1 1 1\n") == 63);
    EXPECT(!nnrun::busy_ticks("cpu0 1 2 3 4 5 6 7 8\n") && !nnrun::busy_ticks("cpu  1 2\n"));
}

void a_process_is_not_fooled_by_its_name() {
    const std::string after = " S 1 2 3 4 5 6 7 8 9 10 300 20 0 0 20 0 4 0 98765 1 2\n";
    for (const std::string name : {"(nnrun)", "(a b) Z 1 (c)", "()", "(\n)"}) {
        const auto found = nnrun::process_stat("42 " + name + after);
        EXPECT(found && found->state == 'S' && found->ticks == 320 && found->started == 98765);
    }
    EXPECT(!nnrun::process_stat("") && !nnrun::process_stat("42 (nnrun) S 1 2 3\n") && !nnrun::process_stat("42 (nnrun)"));
}

void the_firmwares_words_are_understood() {
    EXPECT(nnrun::throttle_word("throttled=0x50005\n") == "0x50005");
    for (const char* const odd : {"", "throttled=", "throttled=0x\n", "throttled=0x5", "throttled=\"}\n", "VCHI failed\n", "x throttled=0x0\n"})
        EXPECT(!nnrun::throttle_word(odd));
    EXPECT(nnrun::frequency_hz("frequency(0)=2400033792\n") == 2400033792);
    for (const char* const odd : {"", "frequency(0)=24 MHz\n", "frequency(0)=2400", "error=2\n", "frequency(0)\n"})
        EXPECT(!nnrun::frequency_hz(odd));
}

void the_rails_of_the_pmic_are_understood() {
    const auto rails = nnrun::rails_w(
        "   3V7_WL_SW_A current(0)=0.5A\n   VDD_CORE_A current(7)=10.0A\n  3V7_WL_SW_V volt(8)=3.5V\n"
        "    VDD_CORE_V volt(15)=0.75V\n     EXT5V_V volt(24)=5.1V\n      BATT_V volt(25)=0.0V\nodd\n X_A current(1)=?A\n X_V volt(1)=1V\n");
    EXPECT(rails && rails->size() == 2);
    EXPECT(rails && rails->at(0).first == "3V7_WL_SW" && near(rails->at(0).second, 1.75));
    EXPECT(rails && rails->at(1).first == "VDD_CORE" && near(rails->at(1).second, 7.5));
    EXPECT(!nnrun::rails_w("") && !nnrun::rails_w("error=1 error_msg=\"Command not registered\"\n"));
}

}  // namespace

int main() {
    json_is_valid_utf8();
    numbers_are_whole_words();
    arguments_are_strict();
    shapes_are_checked();
    shapes_are_checked_in_64_bits();
    a_picture_fits_the_boards_memory();
    broken_exif_is_upright();
    splitmix_is_the_published_one();
    the_interval_of_a_median_is_the_published_one();
    the_kernels_files_are_understood();
    a_process_is_not_fooled_by_its_name();
    the_firmwares_words_are_understood();
    the_rails_of_the_pmic_are_understood();
    return failures == 0 ? 0 : 1;
}
