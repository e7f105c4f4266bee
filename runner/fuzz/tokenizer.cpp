// A tokenizer's file, and with it some texts: what the input ends with is one of them.

#include <algorithm>
#include <string_view>

#include "core/failure.h"
#include "target.h"
#include "text/chat.h"
#include "text/text_stream.h"
#include "text/tokenizer.h"

namespace {

constexpr std::size_t last_bytes = 24;

void use(const nnrun::Tokenizer& tokenizer, std::string_view text) {
    const auto ids = tokenizer.encode(text, nnrun::Tokenizer::Ends::special);
    nnrun::demand(tokenizer.decode(ids, nnrun::Tokenizer::Special::skipped).size() <= (std::size_t{1} << 26));
    nnrun::TextStream stream(tokenizer, nnrun::Tokenizer::Special::shown);
    for (const std::uint32_t id : ids) stream.add(id);
    stream.finish();
}

void talk(const nnrun::Tokenizer& tokenizer, std::string_view text) {
    const nnrun::Chat chat(tokenizer);
    chat.encode(
        {{nnrun::Message::Role::user, std::string(text)}, {nnrun::Message::Role::assistant, "a"}, {nnrun::Message::Role::user, "b"}});
}

template <typename Action>
void attempt(Action action) {
    try {
        action();
    } catch (const nnrun::Failure& failure) {
        nnrun::demand(failure.code == nnrun::Exit::model || failure.code == nnrun::Exit::input);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    // Sections are where their numbers are aligned, as in a file that is mapped.
    std::vector<std::uint64_t> memory((size + 7) / 8 + 1);
    std::copy(bytes, bytes + size, reinterpret_cast<std::uint8_t*>(memory.data()));
    const std::string_view file(reinterpret_cast<const char*>(memory.data()), size);
    attempt([&] {
        const nnrun::Tokenizer tokenizer(file);
        for (const std::string_view text :
             {std::string_view("I'm a 12\n  <s>b\xC3\xA9 e\xCC\x81"), file.substr(size - std::min(size, last_bytes))}) {
            attempt([&] { use(tokenizer, text); });
            attempt([&] { talk(tokenizer, text); });
        }
        attempt([&] { tokenizer.decode({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4000000000u}, nnrun::Tokenizer::Special::shown); });
    });
    return 0;
}
