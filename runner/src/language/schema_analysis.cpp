#include "language/schema_analysis.h"

#include <algorithm>

namespace nnrun {
namespace {

using Node = Schema::Node;
using Nodes = std::vector<Node>;
using Kind = Schema::Kind;

// What the automaton's counters hold.
constexpr std::size_t most_bytes = 60000;

std::uint32_t depth_of(const Nodes& nodes, const Node& node) {
    std::uint32_t inner = 0;
    if (node.kind == Kind::choice) {
        inner = Schema::no_limit;
        for (const std::uint32_t each : node.alternatives) inner = std::min(inner, nodes[each].depth);
        return inner;
    }
    if (node.kind == Kind::array && node.least > 0) inner = nodes[node.item].depth;
    for (const Schema::Property& each : node.properties)
        if (each.required) inner = std::max(inner, nodes[each.node].depth);
    return inner == Schema::no_limit ? inner : inner + 1;
}

std::bitset<256> first_of(const Nodes& nodes, const Node& node) {
    std::bitset<256> bytes;
    const auto put = [&](char letter) { bytes.set(static_cast<unsigned char>(letter)); };
    for (const std::uint32_t each : node.alternatives) bytes |= nodes[each].first;
    for (const std::string& each : node.literals) put(each.front());
    if (node.kind == Kind::object) put('{');
    if (node.kind == Kind::array) put('[');
    if (node.kind == Kind::string) put('"');
    if (node.kind == Kind::number || node.kind == Kind::integer)
        for (const char letter : std::string("-0123456789")) put(letter);
    return bytes;
}

// Nodes refer to each other in circles: until nothing changes.
template <typename Value>
void settle(Nodes& nodes, Value Node::*field, Value (*compute)(const Nodes&, const Node&)) {
    for (bool changed = true; changed;) {
        changed = false;
        for (Node& node : nodes) {
            const Value value = compute(nodes, node);
            changed = changed || value != node.*field;
            node.*field = value;
        }
    }
}

bool is_too_long(const Node& node) {
    return std::any_of(node.properties.begin(), node.properties.end(), [](const auto& each) { return each.key.size() > most_bytes; }) ||
           std::any_of(node.literals.begin(), node.literals.end(), [](const auto& each) { return each.size() > most_bytes; });
}

// The automaton looks at one byte at a time and never back.
bool is_ambiguous(const Nodes& nodes, const Node& node) {
    std::bitset<256> bytes;
    for (const std::uint32_t each : node.alternatives) {
        if ((bytes & nodes[each].first).any()) return true;
        bytes |= nodes[each].first;
    }
    return false;
}

}  // namespace

void analyse(Nodes& nodes) {
    settle(nodes, &Node::depth, depth_of);
    settle(nodes, &Node::first, first_of);
}

std::optional<SchemaFlaw> find_flaw(const Nodes& nodes, std::uint32_t root) {
    if (nodes[root].depth > Schema::max_depth) return SchemaFlaw{root, "no text of less than 32 nested values fits it"};
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
        if (is_too_long(nodes[i])) return SchemaFlaw{i, "a name or value of more than " + std::to_string(most_bytes) + " bytes"};
        if (is_ambiguous(nodes, nodes[i]))
            return SchemaFlaw{i, "two alternatives begin with the same character; use one of them, or \"enum\""};
    }
    return std::nullopt;
}

}  // namespace nnrun
