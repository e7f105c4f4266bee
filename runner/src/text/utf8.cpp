#include "text/utf8.h"

#include <algorithm>

namespace nnrun {
namespace {

unsigned char byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

bool continues(unsigned char byte) { return (byte & 0xC0) == 0x80; }

std::size_t length_of(unsigned char first) {
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return 2;
    if (first >= 0xE0 && first <= 0xEF) return 3;
    if (first >= 0xF0 && first <= 0xF4) return 4;
    return 0;
}

// The second byte's range is narrower after some first ones: no overlong forms, surrogates, or what lies past U+10FFFF.
bool second_fits(unsigned char first, unsigned char second) {
    if (first == 0xE0) return second >= 0xA0 && second <= 0xBF;
    if (first == 0xED) return second >= 0x80 && second <= 0x9F;
    if (first == 0xF0) return second >= 0x90 && second <= 0xBF;
    if (first == 0xF4) return second >= 0x80 && second <= 0x8F;
    return continues(second);
}

}  // namespace

Letter letter_at(std::string_view text, std::size_t at) {
    const unsigned char first = byte_at(text, at);
    const std::size_t size = std::min(std::max<std::size_t>(length_of(first), 1), text.size() - at);
    if (size == 1) return {first, 1};
    std::uint32_t code = first & (0x7Fu >> size);
    for (std::size_t i = 1; i < size; ++i) code = code << 6 | (byte_at(text, at + i) & 0x3Fu);
    return {code, size};
}

std::size_t step_back(std::string_view text, std::size_t at, std::size_t low) {
    do --at;
    while (at > low && continues(byte_at(text, at)));
    return at;
}

void append_letter(std::string& text, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
        put(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            put(0xE0 | code >> 12);
        } else {
            put(0xF0 | (code >> 18 & 7));
            put(0x80 | (code >> 12 & 0x3F));
        }
        put(0x80 | (code >> 6 & 0x3F));
    }
    put(0x80 | (code & 0x3F));
}

Sequence sequence_at(std::string_view text, std::size_t at) {
    const unsigned char first = byte_at(text, at);
    const std::size_t size = length_of(first);
    if (size <= 1) return {size, 1, false};
    for (std::size_t i = 1; i < size; ++i) {
        if (at + i == text.size()) return {0, i, true};
        const unsigned char byte = byte_at(text, at + i);
        if (i == 1 ? !second_fits(first, byte) : !continues(byte)) return {0, i, false};
    }
    return {size, size, false};
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = sequence_at(text, at).size;
        if (size == 0) return false;
        at += size;
    }
    return true;
}

std::string repair_utf8(std::string_view text) {
    std::string repaired;
    repaired.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const Sequence sequence = sequence_at(text, at);
        repaired += sequence.size ? text.substr(at, sequence.size) : replacement_character;
        at += sequence.size ? sequence.size : sequence.bad;
    }
    return repaired;
}

std::string take_complete(std::string& pending) {
    std::size_t end = 0;
    while (end < pending.size()) {
        const Sequence sequence = sequence_at(pending, end);
        if (sequence.incomplete) break;
        end += sequence.size ? sequence.size : sequence.bad;
    }
    std::string complete = repair_utf8(std::string_view(pending).substr(0, end));
    pending.erase(0, end);
    return complete;
}

}  // namespace nnrun
