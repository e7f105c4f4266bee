#include "text/bpe.h"

#include <queue>

#include "text/utf8.h"

namespace nnrun {
namespace {

constexpr std::uint32_t none = 0xFFFFFFFF;

// The lowest rank first, the leftmost of equal ones.
struct Candidate {
    std::uint32_t rank, at, id;
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
};

}  // namespace

Bpe::Bpe(const FlatFile& file, const Vocabulary& vocabulary, const BpeSettings& settings)
    : vocabulary_(vocabulary), settings_(settings), symbols_(file.words(FilePart::symbols)), fallback_(file.words(FilePart::fallback)) {
    if (settings_.byte_level && symbols_.size() != 4 * 256) fail_tokenizer("its bytes are missing");
    if (settings_.byte_fallback && fallback_.size() != 256) fail_tokenizer("its bytes are missing");
}

void Bpe::encode(std::string_view piece, std::vector<std::uint32_t>& ids) const {
    if (piece.empty()) return;
    if (settings_.ignore_merges) {
        if (const auto whole = vocabulary_.find(piece)) {
            ids.push_back(*whole);
            return;
        }
    }
    std::vector<Symbol> symbols = symbols_of(piece);
    merge_all(symbols);
    for (const Symbol& symbol : symbols)
        if (!symbol.merged) ids.push_back(symbol.id);
}

std::vector<Bpe::Symbol> Bpe::symbols_of(std::string_view piece) const {
    const std::vector<std::uint32_t> ids = settings_.byte_level ? bytes_of(piece) : letters_of(piece);
    std::vector<Symbol> symbols(ids.size());
    for (std::uint32_t i = 0; i < ids.size(); ++i) symbols[i] = {ids[i], i - 1, i + 1 < ids.size() ? i + 1 : none, false};
    return symbols;
}

// A byte that is no token is unknown as a whole character is; letters_of has the rule.
std::vector<std::uint32_t> Bpe::bytes_of(std::string_view piece) const {
    std::vector<std::uint32_t> ids;
    bool is_open = false;
    for (std::size_t i = 0; i < piece.size(); ++i) {
        const std::size_t table = (i == 0 ? 2u : 0u) + (i + 1 == piece.size() ? 1u : 0u);
        const std::uint32_t id = symbols_[table * 256 + static_cast<unsigned char>(piece[i])];
        if (id != 0) ids.push_back(id - 1);
        if (id == 0 && settings_.unknown != 0 && !(is_open && settings_.fuse_unknown)) ids.push_back(settings_.unknown - 1);
        is_open = id == 0;
    }
    return ids;
}

std::vector<std::uint32_t> Bpe::letters_of(std::string_view piece) const {
    std::vector<std::uint32_t> ids;
    bool is_open = false;  // an unknown token waits for what follows, and bytes overtake it
    const auto close = [&] {
        if (is_open) ids.push_back(settings_.unknown - 1);
        is_open = false;
    };
    for (std::size_t at = 0; at < piece.size();) {
        const std::string_view letter = piece.substr(at, letter_at(piece, at).size);
        const auto known = find_letter(letter, at == 0, at + letter.size() == piece.size());
        at += letter.size();
        if (known) {
            close();
            ids.push_back(*known);
        } else if (!add_fallback(letter, ids) && settings_.unknown != 0) {
            if (!settings_.fuse_unknown) close();
            is_open = true;
        }
    }
    close();
    return ids;
}

std::optional<std::uint32_t> Bpe::find_letter(std::string_view letter, bool first, bool last) const {
    const bool with_prefix = !first && !settings_.prefix.empty();
    const bool with_suffix = last && !settings_.suffix.empty();
    if (!with_prefix && !with_suffix) return vocabulary_.find(letter);
    return vocabulary_.find(std::string(with_prefix ? settings_.prefix : "") + std::string(letter) +
                            std::string(with_suffix ? settings_.suffix : ""));
}

// The bytes of a character, if all of them are tokens.
bool Bpe::add_fallback(std::string_view letter, std::vector<std::uint32_t>& ids) const {
    if (!settings_.byte_fallback) return false;
    for (const char byte : letter)
        if (fallback_[static_cast<unsigned char>(byte)] == 0) return false;
    for (const char byte : letter) ids.push_back(fallback_[static_cast<unsigned char>(byte)] - 1);
    return true;
}

void Bpe::merge_all(std::vector<Symbol>& symbols) const {
    std::priority_queue<Candidate> queue;
    const auto consider = [&](std::uint32_t at) {
        if (at == none || symbols[at].next == none) return;
        if (const auto merge = vocabulary_.merge(symbols[at].id, symbols[symbols[at].next].id)) queue.push({merge->rank, at, merge->id});
    };
    for (std::uint32_t i = 0; i < symbols.size(); ++i) consider(i);
    while (!queue.empty()) {
        const Candidate best = queue.top();
        queue.pop();
        Symbol& left = symbols[best.at];
        if (left.merged || left.next == none) continue;
        Symbol& right = symbols[left.next];
        const auto merge = vocabulary_.merge(left.id, right.id);
        if (!merge || merge->id != best.id) continue;  // a neighbour has changed since
        left.id = best.id;
        left.next = right.next;
        right.merged = true;
        if (left.next != none) symbols[left.next].previous = best.at;
        consider(left.previous);
        consider(best.at);
    }
}

}  // namespace nnrun
