// Text, flags, and what the kernel and the firmware say.

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/args.h"
#include "core/failure.h"
#include "core/firmware.h"
#include "core/json.h"
#include "core/machine.h"
#include "core/text.h"

namespace {

bool near(double a, double b) { return std::fabs(a - b) < 1e-9; }

TEST_CASE("JSON is valid UTF-8") {
    using nnrun::json::quote;
    CHECK(quote("a\"\\\n\x01") == "\"a\\\"\\\\\\n\\u0001\"");
    CHECK(quote("").size() == 2);
    CHECK(quote("plain ~!") == "\"plain ~!\"");
    CHECK(quote(std::string("a\"b\x7F") + "c") == "\"a\\\"b\\u007fc\"");
    CHECK(quote("\xC3\xA9") == "\"\xC3\xA9\"");
    CHECK(quote("\xFF") == "\"\xEF\xBF\xBD\"");
    CHECK(quote("\xED\xA0\x80").find('\xED') == std::string::npos);  // a surrogate
    CHECK(quote("\xC3") == "\"\xEF\xBF\xBD\"");                      // cut off
    CHECK(nnrun::json::number(0.1f) == "0.1");
    CHECK(nnrun::json::floats({NAN, -INFINITY, 1}) == "[null,null,1]");
    CHECK(nnrun::json::number(-std::nan("")) == "null");
    CHECK(nnrun::json::Object().str() == "{}");
    CHECK(nnrun::json::Object().integer("a", 1).raw("b", "null").text("c", "\t").str() == "{\"a\":1,\"b\":null,\"c\":\"\\t\"}");
}

TEST_CASE("a number is the whole word") {
    CHECK(!nnrun::parse_integer("8x"));
    CHECK(!nnrun::parse_integer(""));
    CHECK(!nnrun::parse_number("nan"));
    CHECK(*nnrun::parse_unsigned("18446744073709551615") == 18446744073709551615u);
    CHECK(nnrun::nearest("--loop", {"--loops", "--help"}) == "--loops");
    CHECK(nnrun::nearest("--zzzzzz", {"--loops", "--help"}).empty());
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

TEST_CASE("arguments are strict") {
    CHECK(problem({"--n", "3"}).empty());
    CHECK(problem({"--n=3"}).empty());
    CHECK(!problem({}).empty());
    CHECK(!problem({"--n"}).empty());
    CHECK(!problem({"--n", "0"}).empty());
    CHECK(!problem({"--n", "3", "--n", "4"}).empty());
    CHECK(!problem({"--n", "3", "x"}).empty());
    CHECK(problem({"--n", "3", "--mm", "1"}).find("did you mean --m?") != std::string::npos);
    CHECK(problem({"--s", "--n", "3"}).empty());
    CHECK(problem({"--n", "3", "--s"}).empty());
    CHECK(!problem({"--n", "3", "--s=1"}).empty());
    CHECK(!problem({"--n", "3", "--s", "1"}).empty());
    CHECK(!problem({"--n", "3", "--s", "--s"}).empty());
}

TEST_CASE("a prefix leads to a second net") {
    const std::vector<nnrun::Flag> own{{"--param", "FILE", ""}, {"--bins", "N", ""}};
    std::vector<nnrun::Flag> flags = own;
    for (const nnrun::Flag& flag : nnrun::with_prefix(own, "detector-")) flags.push_back(flag);
    const nnrun::Args args({"v", "", "", flags}, {"--param", "a", "--detector-param", "b", "--detector-bins", "0"});
    const nnrun::Args other = args.under("detector-");
    CHECK(args.text("--param") == "a");
    CHECK(other.text("--param") == "b");
    CHECK(!args.has("--bins"));
    CHECK(other.has("--bins"));
    try {
        other.integer("--bins", 1, 9, 1);
        CHECK(false);
    } catch (const nnrun::Failure& failure) {
        CHECK(std::string(failure.what()).find("--detector-bins") == 0);
    }
}

TEST_CASE("the kernel's files are parsed") {
    CHECK(nnrun::leading_integer("48200\n") == 48200);
    CHECK(!nnrun::leading_integer(""));
    CHECK(!nnrun::leading_integer("hot\n"));
    CHECK(nnrun::leading_number("0.52 0.58 0.59 1/389 4242\n") == 0.52);
    const char* const meminfo = "MemTotal:   8245824 kB\nMemFree:  1 kB\nMemAvailable:    7012345 kB\nSwapTotal: 10 kB\n";
    CHECK(nnrun::memory_kb(meminfo, "MemAvailable:") == 7012345);
    CHECK(nnrun::memory_kb(meminfo, "SwapTotal:") == 10);
    CHECK(!nnrun::memory_kb(meminfo, "SwapFree:"));
    CHECK(!nnrun::memory_kb("MemAvailable:", "MemAvailable:"));
    CHECK(nnrun::busy_ticks("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 1 1 1 1\n") == 63);
    CHECK(!nnrun::busy_ticks("cpu0 1 2 3 4 5 6 7 8\n"));
    CHECK(!nnrun::busy_ticks("cpu  1 2\n"));
}

TEST_CASE("a process is not fooled by its name") {
    const std::string after = " S 1 2 3 4 5 6 7 8 9 10 300 20 0 0 20 0 4 0 98765 1 2\n";
    for (const std::string name : {"(nnrun)", "(a b) Z 1 (c)", "()", "(\n)"}) {
        const auto stat = nnrun::process_stat("42 " + name + after);
        REQUIRE(stat);
        CHECK(stat->state == 'S');
        CHECK(stat->ticks == 320);
        CHECK(stat->started == 98765);
    }
    CHECK(!nnrun::process_stat(""));
    CHECK(!nnrun::process_stat("42 (nnrun) S 1 2 3\n"));
    CHECK(!nnrun::process_stat("42 (nnrun)"));
}

TEST_CASE("the firmware's answers are parsed") {
    CHECK(nnrun::throttle_word("throttled=0x50005\n") == "0x50005");
    for (const char* const odd :
         {"", "throttled=", "throttled=0x\n", "throttled=0x5", "throttled=\"}\n", "VCHI failed\n", "x throttled=0x0\n"})
        CHECK(!nnrun::throttle_word(odd));
    CHECK(nnrun::frequency_hz("frequency(0)=2400033792\n") == 2400033792);
    for (const char* const odd : {"", "frequency(0)=24 MHz\n", "frequency(0)=2400", "error=2\n", "frequency(0)\n"})
        CHECK(!nnrun::frequency_hz(odd));
}

TEST_CASE("the rails of the PMIC are parsed") {
    const auto rails = nnrun::rails_w(
        "   3V7_WL_SW_A current(0)=0.5A\n   VDD_CORE_A current(7)=10.0A\n  3V7_WL_SW_V volt(8)=3.5V\n"
        "    VDD_CORE_V volt(15)=0.75V\n     EXT5V_V volt(24)=5.1V\n      BATT_V volt(25)=0.0V\nodd\n X_A current(1)=?A\n X_V "
        "volt(1)=1V\n");
    REQUIRE(rails);
    CHECK(rails->size() == 2);
    REQUIRE(rails);
    CHECK(rails->at(0).first == "3V7_WL_SW");
    CHECK(near(rails->at(0).second, 1.75));
    REQUIRE(rails);
    CHECK(rails->at(1).first == "VDD_CORE");
    CHECK(near(rails->at(1).second, 7.5));
    CHECK(!nnrun::rails_w(""));
    CHECK(!nnrun::rails_w("error=1 error_msg=\"Command not registered\"\n"));
}

}  // namespace
