#include "language/constraint.h"

#include <algorithm>

namespace nnrun {
namespace {

// A mask of the largest vocabularies takes 256 KB.
constexpr std::size_t most_entries = 64;

std::size_t shared_start(const std::string& a, const std::string& b) {
    const auto end = a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size()));
    return static_cast<std::size_t>(std::mismatch(a.begin(), end, b.begin()).first - a.begin());
}

}  // namespace

TokenTable::TokenTable(const std::vector<std::string>& pieces) : pieces_(pieces) {
    for (std::size_t id = 0; id < pieces_.size(); ++id)
        if (!pieces_[id].empty()) sorted_.push_back(static_cast<int>(id));
    std::sort(sorted_.begin(), sorted_.end(), [&](int a, int b) { return bytes_of(a) < bytes_of(b); });
    for (std::size_t i = 0; i < sorted_.size(); ++i) {
        const std::string& bytes = bytes_of(sorted_[i]);
        shared_.push_back(i == 0 ? 0 : shared_start(bytes, bytes_of(sorted_[i - 1])));
        longest_ = std::max(longest_, bytes.size());
    }
}

TokenMask TokenTable::allowed(const Automaton& automaton) const {
    TokenMask mask(pieces_.size());
    // After as many bytes of the present token; `taken` of them were accepted.
    std::vector<Automaton> after(longest_ + 1, automaton);
    std::size_t taken = 0;
    bool refused = false;
    for (std::size_t i = 0; i < sorted_.size(); ++i) {
        // What the one before it was refused for, this one has too.
        if (refused && shared_[i] > taken) continue;
        taken = std::min(taken, shared_[i]);
        const std::string& bytes = bytes_of(sorted_[i]);
        for (refused = false; taken < bytes.size() && !refused;) {
            after[taken + 1] = after[taken];
            refused = !after[taken + 1].take(static_cast<unsigned char>(bytes[taken]));
            if (!refused) ++taken;
        }
        if (!refused) mask[static_cast<std::size_t>(sorted_[i])] = 1;
    }
    return mask;
}

Constraint::Constraint(const Schema& schema, const std::vector<std::string>& pieces, Tokens ends)
    : table_(pieces), ends_(std::move(ends)), automaton_(schema) {}

const TokenMask& Constraint::mask() { return entry().mask; }

bool Constraint::is_finished() { return is_complete() && entry().only_ends; }

const Constraint::Entry& Constraint::entry() {
    const std::string key = automaton_.key(table_.longest());
    const auto known = entries_.find(key);
    if (known != entries_.end()) return known->second;
    if (entries_.size() == most_entries) entries_.clear();
    Entry entry;
    entry.mask = table_.allowed(automaton_);
    for (const int end : ends_) entry.mask[static_cast<std::size_t>(end)] = 0;
    entry.only_ends = std::find(entry.mask.begin(), entry.mask.end(), 1) == entry.mask.end();
    for (const int end : ends_) entry.mask[static_cast<std::size_t>(end)] = is_complete();
    return entries_.emplace(key, std::move(entry)).first->second;
}

void Constraint::accept(int token) {
    if (std::find(ends_.begin(), ends_.end(), token) != ends_.end()) return;
    for (const char byte : table_.bytes_of(token)) automaton_.take(static_cast<unsigned char>(byte));
}

}  // namespace nnrun
