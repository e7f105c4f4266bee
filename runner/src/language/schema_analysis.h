#pragma once

#include <optional>
#include <string>
#include <vector>

#include "language/schema.h"

namespace nnrun {

// Fills in the depth and the first bytes of each node.
void analyse(std::vector<Schema::Node>& nodes);

struct SchemaFlaw {
    std::uint32_t node;
    std::string problem;
};

// Why the automaton could not walk them, after they are analysed.
std::optional<SchemaFlaw> find_flaw(const std::vector<Schema::Node>& nodes, std::uint32_t root);

}  // namespace nnrun
