#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nnrun::json {

// Always valid JSON in valid UTF-8: bytes that are not UTF-8 become U+FFFD.
std::string quote(const std::string& bytes);
// All numbers are written here: what is not finite is null.
std::string number(double value);
std::string number(float value);
std::string array(const std::vector<std::string>& items);
std::string strings(const std::vector<std::string>& items);
std::string integers(const std::vector<int>& items);
std::string floats(const std::vector<float>& items);

class Object {
public:
    Object& raw(std::string_view key, std::string_view json);
    Object& text(std::string_view key, const std::string& value) { return raw(key, quote(value)); }
    Object& number(std::string_view key, double value) { return raw(key, json::number(value)); }
    Object& integer(std::string_view key, long long value);
    Object& boolean(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
    Object& null(std::string_view key) { return raw(key, "null"); }
    std::string str() const { return "{" + std::string(body_.data(), body_.size()) + "}"; }

private:
    // No string: the cross compiler's library has an unoptimised one, and telemetry is written
    // beside what is measured.
    std::vector<char> body_;
};

}  // namespace nnrun::json
