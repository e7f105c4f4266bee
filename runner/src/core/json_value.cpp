#include "core/json_value.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "core/failure.h"
#include "core/json.h"

namespace nnrun::json {
namespace {

constexpr int max_depth = 64;

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

void append_utf8(std::string& to, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { to += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | code >> 6);
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
        put(0x80 | (code >> 6 & 0x3F));
        put(0x80 | (code & 0x3F));
    }
}

class Parser {
public:
    Parser(const std::string& text, const std::string& subject) : text_(text), subject_(subject) {}

    Value parse() {
        Value value = read_value(0);
        skip_blanks();
        if (at_ != text_.size()) reject("something follows the value");
        return value;
    }

private:
    [[noreturn]] void reject(const std::string& problem) const {
        const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
        throw Failure(Exit::input, subject_ + ": not valid JSON, line " + std::to_string(line) + ": " + problem);
    }

    void skip_blanks() {
        while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) != nullptr && text_[at_] != '\0') ++at_;
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    bool take(char letter) {
        if (peek() != letter || at_ == text_.size()) return false;
        ++at_;
        return true;
    }

    Value read_value(int depth) {
        if (depth == max_depth) reject("nested more than " + std::to_string(max_depth) + " deep");
        skip_blanks();
        Value value;
        if (take('{')) {
            value.kind = Value::Kind::object;
            read_members(value, depth);
        } else if (take('[')) {
            value.kind = Value::Kind::array;
            read_items(value, depth);
        } else if (peek() == '"') {
            value.kind = Value::Kind::string;
            value.text = read_string();
        } else if (peek() == '-' || is_digit(peek())) {
            value.kind = Value::Kind::number;
            value.number = read_number();
        } else {
            read_word(value);
        }
        return value;
    }

    void read_members(Value& value, int depth) {
        skip_blanks();
        if (take('}')) return;
        do {
            skip_blanks();
            if (peek() != '"') reject("a name in quotes is missing");
            std::string name = read_string();
            skip_blanks();
            if (!take(':')) reject("':' is missing after a name");
            value.members.emplace_back(std::move(name), read_value(depth + 1));
            skip_blanks();
        } while (take(','));
        if (!take('}')) reject("',' or '}' is missing");
    }

    void read_items(Value& value, int depth) {
        skip_blanks();
        if (take(']')) return;
        do {
            value.items.push_back(read_value(depth + 1));
            skip_blanks();
        } while (take(','));
        if (!take(']')) reject("',' or ']' is missing");
    }

    void read_word(Value& value) {
        for (const char* const word : {"true", "false", "null"}) {
            const std::size_t size = std::strlen(word);
            if (text_.compare(at_, size, word) != 0) continue;
            at_ += size;
            value.kind = word[0] == 'n' ? Value::Kind::null : Value::Kind::boolean;
            value.truth = word[0] == 't';
            return;
        }
        reject(at_ == text_.size() ? "it ends too soon" : "no value starts like this");
    }

    void read_digits() {
        if (!is_digit(peek())) reject("a digit is missing");
        while (is_digit(peek())) ++at_;
    }

    double read_number() {
        const std::size_t from = at_;
        take('-');
        if (!take('0')) read_digits();
        if (take('.')) read_digits();
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            read_digits();
        }
        double number = 0;
        if (std::from_chars(text_.data() + from, text_.data() + at_, number).ec != std::errc()) reject("a number is too large");
        return number;
    }

    std::string read_string() {
        std::string out;
        ++at_;
        while (!take('"')) {
            if (at_ == text_.size()) reject("a string does not end");
            if (static_cast<unsigned char>(peek()) < 0x20) reject("a control character in a string");
            if (take('\\'))
                read_escape(out);
            else
                out += text_[at_++];
        }
        return out;
    }

    void read_escape(std::string& out) {
        static const char* const names = "\"\\/bfnrt";
        static const char* const letters = "\"\\/\b\f\n\r\t";
        if (take('u')) return append_utf8(out, read_code());
        const char* const name = at_ < text_.size() && peek() != '\0' ? std::strchr(names, peek()) : nullptr;
        if (name == nullptr) reject("an unknown escape in a string");
        out += letters[name - names];
        ++at_;
    }

    std::uint32_t read_code() {
        const std::uint32_t high = read_unit();
        if (high < 0xD800 || high > 0xDFFF) return high;
        if (high > 0xDBFF || !take('\\') || !take('u')) reject("half of a surrogate pair in a string");
        const std::uint32_t low = read_unit();
        if (low < 0xDC00 || low > 0xDFFF) reject("half of a surrogate pair in a string");
        return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }

    std::uint32_t read_unit() {
        std::uint32_t unit = 0;
        const std::size_t end = std::min(at_ + 4, text_.size());
        const auto result = std::from_chars(text_.data() + at_, text_.data() + end, unit, 16);
        if (result.ptr != text_.data() + at_ + 4) reject("\\u needs four hexadecimal digits");
        at_ += 4;
        return unit;
    }

    const std::string& text_;
    const std::string& subject_;
    std::size_t at_ = 0;
};

}  // namespace

const Value* Value::find(const std::string& key) const {
    const auto is_it = [&](const auto& member) { return member.first == key; };
    const auto found = std::find_if(members.rbegin(), members.rend(), is_it);
    return found == members.rend() ? nullptr : &found->second;
}

Value parse(const std::string& text, const std::string& subject) { return Parser(text, subject).parse(); }

std::string serialise(const Value& value) {
    switch (value.kind) {
        case Value::Kind::null:
            return "null";
        case Value::Kind::boolean:
            return value.truth ? "true" : "false";
        case Value::Kind::number:
            return number(value.number);
        case Value::Kind::string:
            return quote(value.text);
        case Value::Kind::array:
            break;
        case Value::Kind::object:
            Object object;
            for (const auto& member : value.members) object.raw(member.first, serialise(member.second));
            return object.str();
    }
    std::vector<std::string> items;
    for (const Value& item : value.items) items.push_back(serialise(item));
    return array(items);
}

}  // namespace nnrun::json
