#pragma once

#include <cstdint>
#include <string>

#include "language/session.h"

namespace nnrun {

// What a model remembers of prompts, kept in a folder across runs: keys and values, a file a prompt, named by model,
// cache format and tokens. A prompt that begins like a stored one need not read what both share. A file is written
// beside its place and renamed, so that none is ever half there; the least recently used ones go when all
// together exceed the limit.
class PrefixStore {
public:
    // The folder must exist. Which model it is, is known from its .param and samples of its .bin.
    PrefixStore(const std::string& folder, std::uint64_t limit_bytes, const Session& session);

    // Fills the session's caches, which are empty, with what the prompt shares with the best stored one, of at least
    // `least` tokens. Returns these tokens. A file that cannot be used is passed over.
    Tokens restore(Session& session, const Tokens& prompt) const;

    // Stores the first `count` tokens' rows. Returns "" or why that failed, in a line: nothing is left behind then.
    std::string save(const Session& session, const Tokens& tokens) const;

    static constexpr std::size_t least = 16;

private:
    std::string path_of(const Tokens& tokens) const;
    void evict(std::uint64_t needed) const;

    std::string folder_;
    std::uint64_t limit_;
    std::uint64_t model_;
};

}  // namespace nnrun
