#pragma once

#include <string>
#include <utility>
#include <vector>

namespace nnrun::json {

// What a JSON text says. Members keep their order; the last of two of one name counts, as in most readers.
struct Value {
    enum class Kind { null, boolean, number, string, array, object };

    Kind kind = Kind::null;
    bool truth = false;
    double number = 0;
    std::string text;  // of a string, in UTF-8
    std::vector<Value> items;
    std::vector<std::pair<std::string, Value>> members;

    const Value* find(const std::string& key) const;
};

// Exactly one value (RFC 8259). What is wrong, and in which line, is a Failure with Exit::input
// that begins with the subject.
Value parse(const std::string& text, const std::string& subject);

// Compact, in one line; two values are equal when these are.
std::string serialise(const Value& value);

}  // namespace nnrun::json
