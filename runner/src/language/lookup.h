#pragma once

#include <cstddef>

#include "language/sampler.h"

namespace nnrun {

// Prompt lookup (Saxena 2023): what followed the same few tokens earlier in the context is the draft of what
// follows now. The net then verifies the draft in one go, so a wrong one costs time but never changes the text.
struct LookupPlan {
    std::size_t most = 0;      // tokens of a draft; 0: none
    std::size_t longest = 3;   // tokens that must be the same
    std::size_t shortest = 2;  // at least
};

// The most recent place where the longest run of last tokens occurs before; at most `room` tokens.
Tokens draft(const LookupPlan& plan, const Tokens& context, std::size_t room);

}  // namespace nnrun
