#pragma once

#include <string>
#include <vector>

namespace nnrun::json {

// Always valid JSON in valid UTF-8: bytes that are not UTF-8 become U+FFFD.
std::string quote(const std::string& bytes);
std::string number(double value);
std::string number(float value);
std::string array(const std::vector<std::string>& items);
std::string strings(const std::vector<std::string>& items);
std::string integers(const std::vector<int>& items);
std::string floats(const std::vector<float>& items);

class Object {
public:
    Object& raw(const std::string& key, const std::string& json);
    Object& text(const std::string& key, const std::string& value) { return raw(key, quote(value)); }
    Object& number(const std::string& key, double value) { return raw(key, json::number(value)); }
    Object& integer(const std::string& key, long long value) { return raw(key, std::to_string(value)); }
    Object& boolean(const std::string& key, bool value) { return raw(key, value ? "true" : "false"); }
    std::string str() const { return "{" + body_ + "}"; }

private:
    std::string body_;
};

}  // namespace nnrun::json
