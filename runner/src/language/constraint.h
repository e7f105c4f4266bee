#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "language/automaton.h"
#include "language/sampler.h"

namespace nnrun {

// The bytes of all tokens in the order of these bytes: what two neighbours share is looked at once.
class TokenTable {
public:
    // The bytes of each token by its id; those without any are never chosen.
    explicit TokenTable(const std::vector<std::string>& pieces);

    // Which tokens the automaton takes whole. A byte for each id.
    TokenMask allowed(const Automaton& automaton) const;
    std::size_t longest() const { return longest_; }
    const std::string& bytes_of(int token) const { return pieces_[static_cast<std::size_t>(token)]; }

private:
    std::vector<std::string> pieces_;
    Tokens sorted_;
    std::vector<std::size_t> shared_;  // bytes that one begins with as the one before it does
    std::size_t longest_ = 0;
};

// Keeps a generated text to a schema.
class Constraint {
public:
    // `ends` are the tokens that end a text: allowed where the JSON may end.
    Constraint(const Schema& schema, const std::vector<std::string>& pieces, Tokens ends);

    // Which tokens may come next; a byte for each id.
    const TokenMask& mask();
    // The token, which the mask allows, comes next.
    void accept(int token);
    bool is_complete() const { return automaton_.is_complete(); }
    // Nothing but an end can follow.
    bool is_finished();

private:
    struct Entry {
        TokenMask mask;
        bool only_ends = true;
    };
    const Entry& entry();

    TokenTable table_;
    Tokens ends_;
    Automaton automaton_;
    std::unordered_map<std::string, Entry> entries_;  // by the automaton's key
};

}  // namespace nnrun
