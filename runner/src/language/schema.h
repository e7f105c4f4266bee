#pragma once

#include <bitset>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/json_value.h"

namespace nnrun {

// A JSON schema as a table of nodes, which an automaton walks byte by byte. What is understood:
//   type                 one name or several of object, array, string, number, integer, boolean, null
//   enum, const          any values
//   properties, required, additionalProperties   objects have their properties in the schema's order, optional
//                        ones may be missing, and no others; without properties, any names
//   items, minItems, maxItems
//   minLength, maxLength characters
//   anyOf, oneOf         of alternatives that begin with different characters
//   $ref                 to "#", "#/$defs/NAME" or "#/definitions/NAME", also from within themselves
// title, description, default, examples, deprecated, readOnly, writeOnly, $schema, $id and $comment say nothing about
// the text. Any other keyword is a Failure with Exit::input: a text that ignores it would be wrong.
class Schema {
public:
    // `subject` is what a message is about.
    Schema(const json::Value& root, const std::string& subject);

    enum class Kind : std::uint8_t { object, array, string, number, integer, literals, choice };
    static constexpr std::uint32_t no_limit = std::numeric_limits<std::uint32_t>::max();
    // Of arrays and objects within each other.
    static constexpr std::uint32_t max_depth = 32;

    struct Property {
        std::string key;  // as JSON, in quotes
        std::uint32_t node = 0;
        bool required = false;
    };
    struct Node {
        Kind kind = Kind::choice;
        std::vector<Property> properties;         // in the schema's order
        bool free_keys = false;                   // of an object without properties
        std::uint32_t item = 0;                   // of an array; of an object with free keys its values
        std::uint32_t least = 0;                  // items, or characters
        std::uint32_t most = no_limit;            // the same
        std::vector<std::string> literals;        // as JSON, sorted
        std::vector<std::uint32_t> alternatives;  // nodes
        std::uint32_t depth = no_limit;           // the least number of open values it takes to complete one
        std::bitset<256> first;                   // bytes that it may begin with
    };

    const Node& node(std::uint32_t index) const { return nodes_[index]; }
    std::uint32_t root() const { return root_; }
    // Any string: names of free keys.
    std::uint32_t any_string() const { return any_string_; }

private:
    class Compiler;

    std::vector<Node> nodes_;
    std::uint32_t root_ = 0;
    std::uint32_t any_string_ = 0;
};

}  // namespace nnrun
