#pragma once

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace nnrun {

struct Message {
    enum class Role { system, user, assistant };
    Role role;
    std::string text;
    bool shows_picture = false;  // before the text; of the first user's message only
};

// How messages become one text for a model: the chat template's texts between them, which
// piyard/language/tokenizer/chat.py cut out of it.
class Chat {
public:
    // The tokenizer must outlive it. One without a chat template is a Failure with Exit::model.
    explicit Chat(const Tokenizer& tokenizer);

    enum class Thinking { allowed, off };
    // The system perhaps, then user and assistant in turns; the user has the last word. Anything else, an empty
    // message too, is a Failure with Exit::input; a picture for a model that sees none one with Exit::model.
    std::string render(const std::vector<Message>& messages, Thinking thinking = Thinking::allowed) const;
    std::vector<std::uint32_t> encode(const std::vector<Message>& messages, Thinking thinking = Thinking::allowed) const;

private:
    std::string_view between(const Message* before, const Message& message) const;
    void check(const std::vector<Message>& messages) const;
    std::string content(const Message& message) const;

    const Tokenizer& tokenizer_;
    Texts texts_;
    Words flags_;
};

}  // namespace nnrun
