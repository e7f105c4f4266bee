#include "text/chat.h"

#include <algorithm>

#include "text/picture_text.h"
#include "text/utf8.h"

namespace nnrun {
namespace {

// In the order of the file.
enum Text : std::size_t { start_system, system_user, start_user, user_assistant, assistant_user, answer, quiet_answer, text_count };
enum Flag : std::size_t { has_system, strips_system, strips_user, strips_assistant, drops_reasoning, flag_count };

constexpr std::string_view reasoning_end = "</think>";

// What Python's str.strip() takes: white space and the four separators of ASCII.
bool is_blank(const CharacterFlags& flags, std::uint32_t code) {
    return (code >= 0x1C && code <= 0x1F) || (flags[code] & unicode::rust_space);
}

std::string_view strip(const CharacterFlags& flags, std::string_view text) {
    while (!text.empty()) {
        const Letter letter = letter_at(text, 0);
        if (!is_blank(flags, letter.code)) break;
        text.remove_prefix(letter.size);
    }
    while (!text.empty()) {
        const std::size_t last = step_back(text, text.size(), 0);
        if (!is_blank(flags, letter_at(text, last).code)) break;
        text = text.substr(0, last);
    }
    return text;
}

Text text_between(const Message* before, Message::Role role) {
    if (before == nullptr) return role == Message::Role::system ? start_system : start_user;
    if (before->role == Message::Role::system) return system_user;
    return role == Message::Role::assistant ? user_assistant : assistant_user;
}

}  // namespace

Chat::Chat(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer),
      texts_(tokenizer.file().texts(FilePart::chat_offsets, FilePart::chat_bytes)),
      flags_(tokenizer.file().words(FilePart::chat)) {
    if (texts_.size() == 0) throw Failure(Exit::model, "this model has no chat template: it can continue a text, but not answer messages");
    if (texts_.size() != text_count || flags_.size() != flag_count) fail_tokenizer("its chat template is truncated");
}

std::string Chat::render(const std::vector<Message>& messages, Thinking thinking) const {
    check(messages);
    std::string text;
    const Message* before = nullptr;
    for (const Message& message : messages) {
        text += between(before, message);
        const std::string said = content(message);
        if (said.empty() && message.role != Message::Role::assistant) throw Failure(Exit::input, "a message is empty");
        text += said;
        before = &message;
    }
    return text + std::string(texts_[thinking == Thinking::off ? quiet_answer : answer]);
}

std::vector<std::uint32_t> Chat::encode(const std::vector<Message>& messages, Thinking thinking) const {
    return tokenizer_.encode(render(messages, thinking), Tokenizer::Ends::none);
}

std::string_view Chat::between(const Message* before, const Message& message) const {
    const Text text = text_between(before, message.role);
    if (!message.shows_picture) return texts_[text];
    const PictureText picture = picture_text(tokenizer_);
    return text == start_user ? picture.start_user : picture.system_user;
}

void Chat::check(const std::vector<Message>& messages) const {
    if (messages.empty()) throw Failure(Exit::input, "there are no messages");
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const Message::Role role = messages[i].role;
        if (role == Message::Role::system) {
            if (flags_[has_system] == 0) throw Failure(Exit::input, "this model's chat template does not support system messages");
            if (i > 0) throw Failure(Exit::input, "a system message must come first");
            continue;
        }
        const bool is_first = i == 0 || messages[i - 1].role == Message::Role::system;
        const auto due = is_first || messages[i - 1].role == Message::Role::assistant ? Message::Role::user : Message::Role::assistant;
        if (role != due) throw Failure(Exit::input, "messages of user and assistant must alternate, starting with the user");
    }
    if (messages.back().role != Message::Role::user) throw Failure(Exit::input, "the last message must be from the user");
}

std::string Chat::content(const Message& message) const {
    const std::string whole = repair_utf8(message.text);
    std::string_view text = whole;
    if (message.role == Message::Role::assistant && flags_[drops_reasoning] != 0) {
        const std::size_t end = text.rfind(reasoning_end);
        if (end != std::string_view::npos) text.remove_prefix(end + reasoning_end.size());
        text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    }
    const std::size_t flag = strips_system + static_cast<std::size_t>(message.role);
    return std::string(flags_[flag] != 0 ? strip(tokenizer_.characters(), text) : text);
}

}  // namespace nnrun
