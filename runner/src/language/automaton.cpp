#include "language/automaton.h"

#include <algorithm>

namespace nnrun {
namespace {

using Kind = Schema::Kind;

constexpr std::uint32_t most_digits = 16;
constexpr std::uint32_t most_exponent_digits = 2;

// What an object or a list has just had.
enum Phase : std::uint8_t { opened, in_key, after_key, after_colon, after_value, after_comma };
// Of a string.
enum : std::uint8_t { plain, after_backslash, hex_first, hex_second, hex_surrogate, hex_third, hex_fourth };
// Of a number.
enum : std::uint8_t { minus, zero, digits, point, fraction, exponent, exponent_sign, exponent_digits };

bool is_digit(unsigned char byte) { return byte >= '0' && byte <= '9'; }
bool is_hex(unsigned char byte) { return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F'); }

bool shares_start(const std::string& a, const std::string& b, std::size_t size) { return a.compare(0, size, b, 0, size) == 0; }

}  // namespace

bool Automaton::take(unsigned char byte) {
    if (!started_) {
        started_ = true;
        return begin(schema_->root(), byte);
    }
    while (depth_ > 0) {
        Frame& frame = top();
        switch (node_of(frame).kind) {
            case Kind::object:
                return take_object(frame, byte);
            case Kind::array:
                return take_array(frame, byte);
            case Kind::string:
                return take_string(frame, byte);
            case Kind::number:
            case Kind::integer:
                if (take_number(frame, byte)) return true;
                break;
            case Kind::literals:
                if (take_literal(frame, byte)) return true;
                break;
            case Kind::choice:
                return false;
        }
        // What does not say itself that it has ended: what follows belongs to the value around it.
        if (!can_end(frame)) return false;
        close();
    }
    return false;
}

bool Automaton::is_complete() const { return started_ && (depth_ == 0 || (depth_ == 1 && can_end(top()))); }

bool Automaton::fits(std::uint32_t node) const {
    const std::uint32_t needed = schema_->node(node).depth;
    return needed != Schema::no_limit && depth_ + needed <= Schema::max_depth;
}

bool Automaton::begin(std::uint32_t index, unsigned char byte) {
    const Schema::Node& node = schema_->node(index);
    if (!node.first[byte] || !fits(index)) return false;
    if (node.kind == Kind::choice) {
        for (const std::uint32_t each : node.alternatives)
            if (begin(each, byte)) return true;
        return false;
    }
    Frame& frame = frames_[depth_++];
    frame = {};
    frame.node = index;
    if (node.kind == Kind::literals) return take_literal(frame, byte);
    if (node.kind == Kind::number || node.kind == Kind::integer) {
        frame.phase = byte == '-' ? minus : byte == '0' ? zero : digits;
        frame.count = 1;
    }
    return true;
}

bool Automaton::can_end(const Frame& frame) const {
    const Schema::Node& node = node_of(frame);
    if (node.kind == Kind::literals) return node.literals[frame.pick].size() == frame.at;
    if (node.kind != Kind::number && node.kind != Kind::integer) return false;
    return frame.phase == zero || frame.phase == digits || frame.phase == fraction || frame.phase == exponent_digits;
}

bool Automaton::take_blank(Frame& frame, unsigned char byte) {
    if (byte != ' ' || frame.pending != 0) return false;
    frame.pending = 1;
    return true;
}

bool Automaton::take_object(Frame& frame, unsigned char byte) {
    if (frame.phase == in_key) return take_key(frame, byte);
    if (frame.phase == after_key) {
        frame.phase = after_colon;
        return byte == ':';
    }
    if (take_blank(frame, byte)) return frame.phase != after_value || may_close(frame);
    if (frame.phase == after_colon) {
        const Schema::Node& node = node_of(frame);
        frame.phase = after_value;
        frame.pending = 0;
        return begin(node.free_keys ? node.item : node.properties[frame.count - 1].node, byte);
    }
    if (byte == '}' && frame.phase != after_comma && may_close(frame)) return close();
    if (byte == ',' && frame.phase == after_value && frame.pending == 0 && has_key(frame)) {
        frame.phase = after_comma;
        return true;
    }
    return byte == '"' && frame.phase != after_value && has_key(frame) && begin_key(frame, byte);
}

bool Automaton::begin_key(Frame& frame, unsigned char byte) {
    frame.pending = 0;
    if (node_of(frame).free_keys) {
        frame.phase = after_key;
        return begin(schema_->any_string(), byte);
    }
    frame.phase = in_key;
    frame.at = 1;
    frame.pick = frame.count;
    while (!fits(node_of(frame).properties[frame.pick].node)) ++frame.pick;
    return true;
}

// No required property is missing.
bool Automaton::may_close(const Frame& frame) const {
    const auto& properties = node_of(frame).properties;
    for (std::size_t i = frame.count; i < properties.size(); ++i)
        if (properties[i].required) return false;
    return true;
}

// The last property that may come next: no required one is passed over.
std::uint32_t Automaton::last_key(const Frame& frame) const {
    const auto& properties = node_of(frame).properties;
    std::uint32_t i = frame.count;
    while (i + 1 < properties.size() && !properties[i].required) ++i;
    return i;
}

bool Automaton::has_key(const Frame& frame) const {
    const Schema::Node& node = node_of(frame);
    if (node.free_keys) return depth_ < Schema::max_depth && fits(node.item);
    if (frame.count >= node.properties.size()) return false;
    for (std::uint32_t i = frame.count; i <= last_key(frame); ++i)
        if (fits(node.properties[i].node)) return true;
    return false;
}

bool Automaton::take_key(Frame& frame, unsigned char byte) {
    const auto& properties = node_of(frame).properties;
    const std::string& typed = properties[frame.pick].key;
    for (std::uint32_t i = frame.count; i <= last_key(frame); ++i) {
        const std::string& key = properties[i].key;
        if (!fits(properties[i].node) || key.size() <= frame.at || static_cast<unsigned char>(key[frame.at]) != byte) continue;
        if (!shares_start(key, typed, frame.at)) continue;
        frame.pick = i;
        if (++frame.at == key.size()) {
            frame.phase = after_key;
            frame.count = i + 1;
        }
        return true;
    }
    return false;
}

bool Automaton::take_array(Frame& frame, unsigned char byte) {
    const Schema::Node& node = node_of(frame);
    const bool may_grow = frame.count < node.most && fits(node.item);
    const bool may_end = frame.count >= node.least;
    if (take_blank(frame, byte)) return frame.phase == after_value ? may_end : may_grow || frame.phase == opened;
    if (byte == ']' && frame.phase != after_comma && may_end) return close();
    if (frame.phase == after_value) {
        frame.phase = after_comma;
        return byte == ',' && frame.pending == 0 && may_grow;
    }
    frame.phase = after_value;
    frame.pending = 0;
    ++frame.count;
    return may_grow && begin(node.item, byte);
}

bool Automaton::take_string(Frame& frame, unsigned char byte) {
    if (frame.phase != plain) return take_escape(frame, byte);
    if (frame.pending > 0) {
        if (byte < frame.low || byte > frame.high) return false;
        --frame.pending;
        frame.low = 0x80;
        frame.high = 0xBF;
        return true;
    }
    const Schema::Node& node = node_of(frame);
    if (byte == '"') return frame.count >= node.least && close();
    if (frame.count >= node.most) return false;
    ++frame.count;
    if (byte == '\\') {
        frame.phase = after_backslash;
        return true;
    }
    return take_plain(frame, byte);
}

// The first byte of a character, by the Unicode standard's table of well-formed sequences.
bool Automaton::take_plain(Frame& frame, unsigned char byte) {
    if (byte < 0x80) return byte >= 0x20;
    if (byte < 0xC2 || byte > 0xF4) return false;
    frame.pending = static_cast<std::uint8_t>(byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3);
    frame.low = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
    frame.high = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
    return true;
}

bool Automaton::take_escape(Frame& frame, unsigned char byte) {
    if (frame.phase == after_backslash) {
        frame.phase = byte == 'u' ? hex_first : plain;
        return std::string("u\"\\/bfnrt").find(static_cast<char>(byte)) != std::string::npos;
    }
    const bool is_low = frame.phase == hex_surrogate && !(byte >= '0' && byte <= '7');
    if (!is_hex(byte) || is_low) return false;
    if (frame.phase == hex_first)
        frame.phase = byte == 'd' || byte == 'D' ? hex_surrogate : hex_second;
    else
        frame.phase = frame.phase == hex_fourth ? plain : frame.phase == hex_third ? hex_fourth : hex_third;
    return true;
}

bool Automaton::take_number(Frame& frame, unsigned char byte) {
    const bool may_have_fraction = node_of(frame).kind == Kind::number;
    const auto enter = [&](std::uint8_t phase, std::uint32_t count) {
        frame.phase = phase;
        frame.count = count;
        return true;
    };
    if (is_digit(byte)) {
        if (frame.phase == minus) return enter(byte == '0' ? zero : digits, 1);
        if (frame.phase == point) return enter(fraction, 1);
        if (frame.phase == exponent || frame.phase == exponent_sign) return enter(exponent_digits, 1);
        const std::uint32_t most = frame.phase == exponent_digits ? most_exponent_digits : most_digits;
        return frame.phase != zero && frame.count++ < most;
    }
    if (!may_have_fraction) return false;
    if (byte == '.') return (frame.phase == zero || frame.phase == digits) && enter(point, 0);
    if (byte == 'e' || byte == 'E') return can_end(frame) && frame.phase != exponent_digits && enter(exponent, 0);
    return (byte == '-' || byte == '+') && frame.phase == exponent && enter(exponent_sign, 0);
}

// They are sorted: the first one that begins so is the shortest, whose end is seen.
bool Automaton::take_literal(Frame& frame, unsigned char byte) {
    const auto& literals = node_of(frame).literals;
    const std::string& typed = literals[frame.pick];
    for (std::uint32_t i = 0; i < literals.size(); ++i) {
        const std::string& each = literals[i];
        if (each.size() <= frame.at || static_cast<unsigned char>(each[frame.at]) != byte) continue;
        if (!shares_start(each, typed, frame.at)) continue;
        frame.pick = i;
        ++frame.at;
        return true;
    }
    return false;
}

std::string Automaton::key(std::size_t bytes) const {
    std::string key(1, started_ ? 's' : ' ');
    const auto put = [&](std::uint32_t number) { key.append(reinterpret_cast<const char*>(&number), sizeof number); };
    for (std::uint32_t i = 0; i < depth_; ++i) {
        const Frame& frame = frames_[i];
        const Schema::Node& node = node_of(frame);
        put(frame.node);
        if (node.kind == Kind::string || node.kind == Kind::array) {
            const auto reach = static_cast<std::uint32_t>(bytes);
            put(std::min(node.least - std::min(node.least, frame.count), reach));
            put(std::min(node.most - std::min(node.most, frame.count), reach));
        } else {
            put(frame.count);
        }
        put(frame.pick);
        put(static_cast<std::uint32_t>(frame.at) << 16 | static_cast<std::uint32_t>(frame.phase) << 8 | frame.pending);
        put(static_cast<std::uint32_t>(frame.low) << 8 | frame.high);
    }
    return key;
}

}  // namespace nnrun
