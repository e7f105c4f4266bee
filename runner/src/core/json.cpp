#include "core/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <type_traits>

#include "core/text.h"

namespace nnrun::json {
namespace {

// The range of the second byte is narrower after some first bytes: it rules out
// overlong forms, surrogates and what lies past U+10FFFF.
bool second_byte_fits(unsigned char first, unsigned char second) {
    if (first == 0xE0) return second >= 0xA0 && second <= 0xBF;
    if (first == 0xED) return second >= 0x80 && second <= 0x9F;
    if (first == 0xF0) return second >= 0x90 && second <= 0xBF;
    if (first == 0xF4) return second >= 0x80 && second <= 0x8F;
    return second >= 0x80 && second <= 0xBF;
}

std::size_t expected_length(unsigned char first) {
    if (first >= 0xC2 && first <= 0xDF) return 2;
    if (first >= 0xE0 && first <= 0xEF) return 3;
    if (first >= 0xF0 && first <= 0xF4) return 4;
    return 0;
}

// Length of the well-formed multi-byte sequence at `at`, or 0.
std::size_t utf8_length(const std::string& bytes, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const std::size_t length = expected_length(byte(at));
    if (length == 0 || at + length > bytes.size() || !second_byte_fits(byte(at), byte(at + 1))) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if ((byte(at + i) & 0xC0) != 0x80) return 0;
    return length;
}

bool is_plain(char letter) { return letter >= 0x20 && letter < 0x7F && letter != '"' && letter != '\\'; }

std::string escape_ascii(unsigned char letter) {
    if (letter == '"') return "\\\"";
    if (letter == '\\') return "\\\\";
    if (letter == '\n') return "\\n";
    if (letter == '\t') return "\\t";
    if (is_plain(static_cast<char>(letter))) return std::string(1, static_cast<char>(letter));
    char buffer[8];
    std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(letter));
    return buffer;
}

template <typename Item>
std::string render_all(const std::vector<Item>& items, std::string (*render)(Item)) {
    std::vector<std::string> parts;
    for (const Item item : items) parts.push_back(render(item));
    return array(parts);
}

void append(std::vector<char>& to, std::string_view bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

// JSON has neither NaN nor infinity.
template <typename Value>
std::string shortest(Value value) {
    if constexpr (std::is_floating_point_v<Value>)
        if (!std::isfinite(value)) return "null";
    char buffer[64];
    const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
    return std::string(buffer, result.ptr);
}

}  // namespace

std::string quote(const std::string& bytes) {
    std::string out = "\"";
    for (std::size_t at = 0; at < bytes.size();) {
        const auto first = static_cast<unsigned char>(bytes[at]);
        if (first < 0x80) {
            out += escape_ascii(first);
            ++at;
        } else if (const std::size_t length = utf8_length(bytes, at)) {
            out.append(bytes, at, length);
            at += length;
        } else {
            out += "\xEF\xBF\xBD";
            ++at;
        }
    }
    return out + "\"";
}

std::string number(double value) { return shortest(value); }

std::string number(float value) { return shortest(value); }

std::string array(const std::vector<std::string>& items) { return "[" + join(items, ",") + "]"; }

std::string strings(const std::vector<std::string>& items) {
    std::vector<std::string> quoted;
    for (const std::string& item : items) quoted.push_back(quote(item));
    return array(quoted);
}

std::string integers(const std::vector<int>& items) { return render_all<int>(items, shortest<int>); }

std::string floats(const std::vector<float>& items) { return render_all<float>(items, shortest<float>); }

Object& Object::raw(std::string_view key, std::string_view json) {
    if (!body_.empty()) body_.push_back(',');
    if (std::all_of(key.begin(), key.end(), is_plain)) {
        body_.push_back('"');
        append(body_, key);
        body_.push_back('"');
    } else {
        append(body_, quote(std::string(key)));
    }
    body_.push_back(':');
    append(body_, json);
    return *this;
}

Object& Object::integer(std::string_view key, long long value) {
    char digits[24];
    const char* const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    return raw(key, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

}  // namespace nnrun::json
