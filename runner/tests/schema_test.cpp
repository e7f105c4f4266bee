// JSON that is read, and JSON that a schema lets a model write.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/failure.h"
#include "core/json_value.h"
#include "language/constraint.h"

namespace {

using nnrun::Automaton;
using nnrun::Schema;

std::string problem(const std::string& text) {
    try {
        nnrun::json::parse(text, "f");
    } catch (const nnrun::Failure& failure) {
        return failure.what();
    }
    return "";
}

TEST_CASE("JSON is read as it is written") {
    const auto value = nnrun::json::parse(R"( {"a": [1, -2.5e1, true, null], "b": "\u00e9\n\ud83d\ude00", "b": {}} )", "f");
    CHECK(nnrun::json::serialise(value) == R"({"a":[1,-25,true,null],"b":"é\n😀","b":{}})");
    CHECK(value.find("b")->kind == nnrun::json::Value::Kind::object);
    CHECK(value.find("c") == nullptr);
}

TEST_CASE("broken JSON is refused by its line") {
    CHECK(problem("{\n\"a\": }") == "f: not valid JSON, line 2: no value starts like this");
    for (const char* const text :
         {"",   " ",       "[1,]",        "[1 2]",       "{a:1}", "{\"a\" 1}", "01",       "1.",  "-",      "1e",
          "\"", "\"\\x\"", "\"\\ud800\"", "\"\\u12g4\"", "tru",   "[1",        "{\"a\":1", "1 1", "\"\n\"", "1e999"})
        CHECK_MESSAGE(!problem(text).empty(), text);
    CHECK(problem(std::string(100, '[')).find("nested") != std::string::npos);
    CHECK(problem(std::string(60, '[') + std::string(60, ']')).empty());
    CHECK(!problem(std::string("1\0", 2)).empty());
}

Schema schema_of(const std::string& text) { return Schema(nnrun::json::parse(text, "s"), "s"); }

std::string refusal(const std::string& text) {
    try {
        schema_of(text);
    } catch (const nnrun::Failure& failure) {
        return failure.what();
    }
    return "";
}

// "complete", "open" or how many bytes were taken.
std::string walk(const Schema& schema, const std::string& text) {
    Automaton automaton(schema);
    for (std::size_t i = 0; i < text.size(); ++i)
        if (!automaton.take(static_cast<unsigned char>(text[i]))) return std::to_string(i);
    return automaton.is_complete() ? "complete" : "open";
}

void check(const std::string& schema_text, const std::vector<std::string>& complete, const std::vector<std::string>& wrong) {
    const Schema schema = schema_of(schema_text);
    for (const std::string& text : complete) {
        CHECK_MESSAGE(walk(schema, text) == "complete", schema_text << " " << text << " " << walk(schema, text));
    }
    for (const std::string& text : wrong) CHECK_MESSAGE(walk(schema, text) != "complete", schema_text << " " << text);
}

TEST_CASE("types") {
    check(R"({"type":"integer"})", {"0", "-1", "120", "1234567890123456"},
          {"", "-", "01", "1.0", "1e2", "\"1\"", "12345678901234567", " 1"});
    check(R"({"type":"number"})", {"0", "-0.5", "1e-9", "12.25E+3"}, {"1.", ".5", "1e", "1e+", "1e999", "--1", "1.2.3"});
    check(R"({"type":"boolean"})", {"true", "false"}, {"t", "null", "truee"});
    check(R"({"type":["string","null"]})", {"null", "\"a\""}, {"1", "nul"});
    check(R"({"type":["number","integer"]})", {"1", "1.5"}, {"\"\""});
    check("{}", {"1", "[1, {\"a\": [null, true]}]", "{}", "{\"a\":\"b\",\"c\":{}}", "[]", "\"x\""},
          {"[1,]", "{\"a\"}", "[1 ,2]", "{1:2}", "[  ]"});
    check("true", {"1", "{}"}, {"nope"});
}

TEST_CASE("strings") {
    check(R"({"type":"string"})", {"\"\"", R"("a\n\u00e9\\\"")", "\"é😀\""},
          {"\"", "\"\x01\"", R"("\x")", R"("\ud83d")", "\"\xC3\"", "\"\xED\xA0\x80\"", "\"\xC0\x80\"", "\"\xF5\x80\x80\x80\"", "\"a\"b"});
    check(R"({"type":"string","minLength":2,"maxLength":3})", {"\"ab\"", "\"é😀a\"", R"("\n\u00e9")"}, {"\"a\"", "\"abcd\"", R"("\nabc")"});
    check(R"({"maxLength":0})", {"\"\""}, {"\"a\"", "1"});
}

TEST_CASE("objects and lists") {
    const std::string text =
        R"({"type":"object","properties":{"name":{"type":"string"},"nam":{"type":"null"},"age":{"type":"integer"},"x":{"type":"boolean"}},"required":["name","age"]})";
    check(text, {R"({"name":"a","age":3})", R"({"name": "a", "age": 3, "x": true})", R"({ "name":"a","nam":null,"age":3 })"},
          {R"({})", R"({"name":"a"})", R"({"age":3,"name":"a"})", R"({"name":"a","age":3,})", R"({"name":"a","age":3,"y":1})",
           R"({"name":1,"age":3})", R"({"name":"a","age":3}})", R"({"nam":null,"name":"a","age":3})", R"({"name":"a","age":3.5})",
           R"({"name":"a" ,"age":3})"});
    check(R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2})", {"[1]", "[1, 2]", "[ 1,2 ]"},
          {"[]", "[1,2,3]", "[1,]", "[\"a\"]"});
    check(R"({"items":{"type":"integer"},"maxItems":0})", {"[]"}, {"[1]"});
    check(R"({"type":"object","additionalProperties":{"type":"integer"}})", {"{}", R"({"any":1,"other":2})"}, {R"({"any":"a"})"});
    check(R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"a":1})"});
}

TEST_CASE("listed values") {
    check(R"({"enum":["red","green",1,12,null,{"a":1}]})", {"\"red\"", "1", "12", "null", R"({"a":1})"},
          {"\"blue\"", "2", "123", "\"re\""});
    check(R"({"type":"array","items":{"enum":[12,1]}})", {"[1,12, 1]", "[12]"}, {"[2]", "[121]"});
    check(R"({"const":"yes"})", {"\"yes\""}, {"\"no\"", "\"yes\"\""});
    check(R"({"anyOf":[{"type":"string"},{"type":"null"},{"type":"array","items":{"type":"null"}}]})", {"null", "\"a\"", "[null]"},
          {"1", "[1]"});
}

TEST_CASE("schemas may refer to themselves") {
    const std::string tree =
        R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"child":{"$ref":"#/$defs/node"}},"required":["v"]}}})";
    check(tree, {R"({"v":1})", R"({"v":1,"child":{"v":2,"child":{"v":3}}})"}, {R"({"child":{"v":1}})", R"({"v":1,"child":{}})"});
    const Schema schema = schema_of(tree);
    std::string deep;
    for (int i = 0; i < 30; ++i) deep += R"({"v":1,"child":)";
    CHECK(walk(schema, deep + "{\"v\":1" + std::string(31, '}')) == "complete");
    // So deep that another child could not be completed: its name cannot begin.
    CHECK(walk(schema, deep + R"({"v":1,)") != "open");
}

TEST_CASE("what a schema cannot say is refused by name") {
    CHECK(refusal(R"({"type":"object","properties":{"a":{"type":"string","pattern":"x"}}})")
              .find("s: #/properties/a: keyword \"pattern\" is not supported; supported are type, enum") == 0);
    CHECK(refusal(R"({"type":"date"})").find("unknown type \"date\"") != std::string::npos);
    CHECK(refusal(R"({"type":"string","minItems":1})").find("\"minItems\" is only for type array") != std::string::npos);
    CHECK(refusal(R"({"anyOf":[{"type":"object"},{"type":"object"}]})").find("begin with the same character") != std::string::npos);
    CHECK(refusal(R"({"$ref":"#"})").find("no text") != std::string::npos);
    CHECK(refusal(R"({"$ref":"#/nowhere"})").find("does not exist") != std::string::npos);
    CHECK(refusal(R"({"type":"object","required":["a"]})").find("\"a\" is required") != std::string::npos);
    CHECK(refusal(R"({"enum":[]})").find("at least one value") != std::string::npos);
    CHECK(refusal(R"({"type":"string","enum":["a"],"maxLength":1})").find("together with \"enum\"") != std::string::npos);
    CHECK(refusal(R"({"minLength":-1})").find("whole number") != std::string::npos);
    CHECK(refusal(R"({"minLength":3,"maxLength":2})").find("larger") != std::string::npos);
    for (const char* const text : {"1", "false", "[]", R"({"type":[]})", R"({"type":5})", R"({"properties":1})", R"({"items":3})",
                                   R"({"anyOf":{}})", R"({"properties":{"a":{"$ref":"#"}},"required":["a"]})"})
        CHECK_MESSAGE(!refusal(text).empty(), text);
    CHECK(refusal(R"({"title":"T","description":"d","default":1,"type":"object","$defs":{"unused":{"pattern":"x"}}})").empty());
}

TEST_CASE("the mask allows the tokens that can follow, whole") {
    const Schema schema = schema_of(R"({"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]})");
    const std::vector<std::string> pieces{"",       "{", "{\"",   "{\"o", "ok\":",     " true", "true}",
                                          "true}}", "}", "false", "x",    "{\"ok\":t", "\xC3"};
    nnrun::Constraint constraint(schema, pieces, {0});
    CHECK(constraint.mask() == nnrun::TokenMask{0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0});
    constraint.accept(2);
    CHECK(constraint.mask() == nnrun::TokenMask{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0});
    constraint.accept(4);
    CHECK(constraint.mask() == nnrun::TokenMask{0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0});
    CHECK(!constraint.is_complete());
    constraint.accept(5);
    CHECK(constraint.mask() == nnrun::TokenMask{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0});
    constraint.accept(8);
    CHECK(constraint.is_complete());
    CHECK(constraint.is_finished());
    CHECK(constraint.mask() == nnrun::TokenMask{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

// The mask finds by neighbours what the automaton finds token by token.
TEST_CASE("the mask is that of each token alone, along random texts") {
    const Schema schema =
        schema_of(R"({"type":"array","items":{"anyOf":[{"type":"string","maxLength":9},{"type":"number"},{"type":"object"}]}})");
    std::vector<std::string> pieces{""};
    nnrun::Uniform uniform(5);
    const std::string letters = "[]{}\":, 01.e-ab\\n\xC3\xA9";
    for (int i = 0; i < 400; ++i) {
        std::string piece;
        for (int n = static_cast<int>(uniform() * 4) + 1; n > 0; --n)
            piece += letters[static_cast<std::size_t>(uniform() * static_cast<double>(letters.size()))];
        pieces.push_back(piece);
    }
    for (int text = 0; text < 20; ++text) {
        nnrun::Constraint constraint(schema, pieces, {0});
        Automaton automaton(schema);
        for (int step = 0; step < 30 && !constraint.is_finished(); ++step) {
            nnrun::Tokens allowed;
            for (std::size_t id = 1; id < pieces.size(); ++id) {
                Automaton alone = automaton;
                bool taken = true;
                for (const char byte : pieces[id]) taken = taken && alone.take(static_cast<unsigned char>(byte));
                REQUIRE(taken == (constraint.mask()[id] == 1));
                if (taken) allowed.push_back(static_cast<int>(id));
            }
            REQUIRE(!allowed.empty());
            const int token = allowed[static_cast<std::size_t>(uniform() * static_cast<double>(allowed.size()))];
            constraint.accept(token);
            for (const char byte : pieces[static_cast<std::size_t>(token)]) automaton.take(static_cast<unsigned char>(byte));
            REQUIRE(constraint.is_complete() == automaton.is_complete());
        }
    }
}

}  // namespace
