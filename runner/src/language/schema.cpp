#include "language/schema.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/failure.h"
#include "core/json.h"
#include "core/text.h"
#include "language/schema_analysis.h"

namespace nnrun {
namespace {

using json::Value;
using Form = Value::Kind;

// What each keyword is for; those of "" are for every type.
const std::vector<std::pair<std::string, std::string>>& keywords() {
    static const std::vector<std::pair<std::string, std::string>> all{
        {"type", ""},
        {"enum", ""},
        {"const", ""},
        {"anyOf", ""},
        {"oneOf", ""},
        {"$ref", ""},
        {"properties", "object"},
        {"required", "object"},
        {"additionalProperties", "object"},
        {"items", "array"},
        {"minItems", "array"},
        {"maxItems", "array"},
        {"minLength", "string"},
        {"maxLength", "string"},
    };
    return all;
}

const std::set<std::string>& annotations() {
    static const std::set<std::string> all{"title",     "description", "default", "examples", "deprecated",  "readOnly",
                                           "writeOnly", "$schema",     "$id",     "$comment", "definitions", "$defs"};
    return all;
}

const std::vector<std::string>& type_names() {
    static const std::vector<std::string> all{"object", "array", "string", "number", "integer", "boolean", "null"};
    return all;
}

}  // namespace

class Schema::Compiler {
public:
    Compiler(Schema& schema, const Value& root, const std::string& subject) : schema_(schema), top_(root), subject_(subject) {}

    void compile() {
        schema_.any_string_ = add(simple(Kind::string));
        schema_.root_ = compile(top_, "#");
        analyse(schema_.nodes_);
        if (const auto flaw = find_flaw(schema_.nodes_, schema_.root_)) reject(wheres_[flaw->node], flaw->problem);
    }

private:
    [[noreturn]] void reject(const std::string& where, const std::string& problem) const {
        throw Failure(Exit::input, subject_ + ": " + where + ": " + problem);
    }

    static Node simple(Kind kind) {
        Node node;
        node.kind = kind;
        return node;
    }

    std::uint32_t add(Node node, const std::string& where = "") {
        schema_.nodes_.push_back(std::move(node));
        wheres_.push_back(where);
        return static_cast<std::uint32_t>(schema_.nodes_.size() - 1);
    }

    // Of one place in the schema there is one node, so that one may refer to itself.
    std::uint32_t compile(const Value& value, const std::string& where) {
        const auto known = places_.find(&value);
        if (known != places_.end()) return known->second;
        const std::uint32_t index = add({}, where);
        places_.emplace(&value, index);
        Node node = read(value, where);
        schema_.nodes_[index] = std::move(node);
        return index;
    }

    Node read(const Value& value, const std::string& where) {
        if (value.kind == Form::boolean && value.truth) return anything();
        if (value.kind != Form::object) reject(where, "a schema must be an object or true");
        check_keywords(value, where);
        for (const std::string word : {"$ref", "enum", "const", "anyOf", "oneOf"}) {
            const Value* content = value.find(word);
            if (content == nullptr) continue;
            check_alone(value, where, word);
            if (word == "$ref") return choice({compile(follow(*content, where), content->text)});
            if (word == "enum") return literals(*content, where);
            return word == "const" ? literal(*content) : alternatives(*content, where + "/" + word);
        }
        return of_types(value, where);
    }

    void check_keywords(const Value& value, const std::string& where) const {
        std::vector<std::string> names;
        for (const auto& keyword : keywords()) names.push_back(keyword.first);
        for (const auto& member : value.members) {
            if (annotations().count(member.first) != 0) continue;
            if (std::find(names.begin(), names.end(), member.first) != names.end()) continue;
            reject(where, "keyword \"" + member.first + "\" is not supported; supported are " + join(names, ", "));
        }
    }

    // A second keyword would narrow what the first one says. A type beside enum or const says nothing new.
    void check_alone(const Value& value, const std::string& where, const std::string& word) const {
        const bool is_listed = word == "enum" || word == "const";
        for (const auto& member : value.members)
            if (member.first != word && annotations().count(member.first) == 0 && !(is_listed && member.first == "type"))
                reject(where, "\"" + member.first + "\" together with \"" + word + "\" is not supported");
    }

    const Value& follow(const Value& target, const std::string& where) const {
        if (target.kind == Form::string && target.text == "#") return top_;
        for (const char* const folder : {"$defs", "definitions"}) {
            const std::string start = std::string("#/") + folder + "/";
            const Value* all = top_.find(folder);
            if (target.text.rfind(start, 0) != 0 || all == nullptr) continue;
            if (const Value* found = all->find(target.text.substr(start.size()))) return *found;
        }
        reject(where, "$ref " + json::serialise(target) + " does not exist; use \"#\", \"#/$defs/NAME\" or \"#/definitions/NAME\"");
    }

    static Node choice(std::vector<std::uint32_t> alternatives) {
        Node node = simple(Kind::choice);
        node.alternatives = std::move(alternatives);
        return node;
    }

    static Node literal(const Value& value) {
        Node node = simple(Kind::literals);
        node.literals.push_back(json::serialise(value));
        return node;
    }

    Node literals(const Value& all, const std::string& where) const {
        if (all.kind != Form::array || all.items.empty()) reject(where, "\"enum\" must be a list of at least one value");
        Node node = simple(Kind::literals);
        for (const Value& each : all.items) node.literals.push_back(json::serialise(each));
        std::sort(node.literals.begin(), node.literals.end());
        return node;
    }

    Node alternatives(const Value& all, const std::string& where) {
        if (all.kind != Form::array || all.items.empty()) reject(where, "it must be a list of at least one schema");
        std::vector<std::uint32_t> nodes;
        for (std::size_t i = 0; i < all.items.size(); ++i) nodes.push_back(compile(all.items[i], where + "/" + std::to_string(i)));
        return choice(nodes);
    }

    Node of_types(const Value& value, const std::string& where) {
        const std::vector<std::string> types = types_of(value, where);
        check_types(value, types, where);
        if (types.size() == 1) return of_type(value, types.front(), where);
        std::vector<std::uint32_t> nodes;
        for (const std::string& type : types)
            // A number may be an integer.
            if (type != "integer" || std::find(types.begin(), types.end(), "number") == types.end())
                nodes.push_back(add(of_type(value, type, where), where));
        return choice(nodes);
    }

    std::vector<std::string> types_of(const Value& value, const std::string& where) const {
        const Value* type = value.find("type");
        std::vector<std::string> types;
        if (type == nullptr) {
            for (const auto& keyword : keywords())
                if (!keyword.second.empty() && value.find(keyword.first) != nullptr) types.push_back(keyword.second);
            if (types.empty()) return type_names();
            return {types.front()};
        }
        if (type->kind == Form::string) types.push_back(type->text);
        for (const Value& each : type->items) types.push_back(each.kind == Form::string ? each.text : "");
        for (const std::string& each : types)
            if (std::find(type_names().begin(), type_names().end(), each) == type_names().end())
                reject(where, "unknown type " + json::serialise(*type) + "; use " + join(type_names(), ", "));
        if (types.empty()) reject(where, "\"type\" must be a name or a list of names");
        return types;
    }

    // A forgotten type must not make a limit silently void.
    void check_types(const Value& value, const std::vector<std::string>& types, const std::string& where) const {
        for (const auto& keyword : keywords())
            if (!keyword.second.empty() && value.find(keyword.first) != nullptr &&
                std::find(types.begin(), types.end(), keyword.second) == types.end())
                reject(where, "\"" + keyword.first + "\" is only for type " + keyword.second);
    }

    Node of_type(const Value& value, const std::string& type, const std::string& where) {
        if (type == "object") return object(value, where);
        if (type == "array") return array(value, where);
        if (type == "string") return string(value, where);
        if (type == "number") return simple(Kind::number);
        if (type == "integer") return simple(Kind::integer);
        Node node = simple(Kind::literals);
        node.literals = type == "null" ? std::vector<std::string>{"null"} : std::vector<std::string>{"false", "true"};
        return node;
    }

    Node string(const Value& value, const std::string& where) const {
        Node node = simple(Kind::string);
        read_limits(node, value, where, "minLength", "maxLength");
        return node;
    }

    Node array(const Value& value, const std::string& where) {
        Node node = simple(Kind::array);
        read_limits(node, value, where, "minItems", "maxItems");
        const Value* items = value.find("items");
        node.item = items == nullptr ? any_value() : compile(*items, where + "/items");
        return node;
    }

    Node object(const Value& value, const std::string& where) {
        Node node = simple(Kind::object);
        const Value* properties = value.find("properties");
        const Value* others = value.find("additionalProperties");
        const bool none_other = others != nullptr && others->kind == Form::boolean && !others->truth;
        if (properties != nullptr) {
            if (properties->kind != Form::object) reject(where, "\"properties\" must be an object of schemas");
            for (const auto& each : properties->members)
                node.properties.push_back({json::quote(each.first), compile(each.second, where + "/properties/" + each.first), false});
        } else if (!none_other) {
            node.free_keys = true;
            node.item = others == nullptr ? any_value() : compile(*others, where + "/additionalProperties");
        }
        mark_required(node, value, where);
        return node;
    }

    void mark_required(Node& node, const Value& value, const std::string& where) const {
        const Value* required = value.find("required");
        if (required == nullptr) return;
        if (required->kind != Form::array) reject(where, "\"required\" must be a list of names");
        for (const Value& each : required->items) {
            const std::string key = json::serialise(each);
            const auto is_it = [&](const Property& property) { return property.key == key; };
            const auto found = std::find_if(node.properties.begin(), node.properties.end(), is_it);
            if (found == node.properties.end()) reject(where, key + " is required, but \"properties\" does not describe it");
            found->required = true;
        }
    }

    void read_limits(Node& node, const Value& value, const std::string& where, const char* least, const char* most) const {
        node.least = read_limit(value, where, least, 0);
        node.most = read_limit(value, where, most, no_limit);
        if (node.least > node.most) reject(where, std::string(least) + " is larger than " + most);
    }

    std::uint32_t read_limit(const Value& value, const std::string& where, const char* name, std::uint32_t fallback) const {
        const Value* limit = value.find(name);
        if (limit == nullptr) return fallback;
        if (limit->kind != Form::number || !(limit->number >= 0) || limit->number > 1e9 || std::floor(limit->number) != limit->number)
            reject(where, std::string("\"") + name + "\" must be a whole number from 0 to 1000000000");
        return static_cast<std::uint32_t>(limit->number);
    }

    Node anything() { return choice({any_value()}); }

    // Any JSON value: its nodes are made once and refer to each other.
    std::uint32_t any_value() {
        if (any_ != no_limit) return any_;
        any_ = add({});
        Node array = simple(Kind::array);
        array.item = any_;
        Node object = simple(Kind::object);
        object.free_keys = true;
        object.item = any_;
        Node word = simple(Kind::literals);
        word.literals = {"false", "null", "true"};
        std::vector<std::uint32_t> nodes{schema_.any_string_};
        for (const Node& each : {array, object, word, simple(Kind::number)}) nodes.push_back(add(each));
        schema_.nodes_[any_] = choice(nodes);
        return any_;
    }

    Schema& schema_;
    const Value& top_;
    const std::string& subject_;
    std::vector<std::string> wheres_;
    std::map<const Value*, std::uint32_t> places_;
    std::uint32_t any_ = no_limit;
};

Schema::Schema(const json::Value& root, const std::string& subject) { Compiler(*this, root, subject).compile(); }

}  // namespace nnrun
