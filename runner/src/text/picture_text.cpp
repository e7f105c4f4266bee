#include "text/picture_text.h"

namespace nnrun {

PictureText picture_text(const Tokenizer& tokenizer) {
    enum : std::size_t { alone, start_user, system_user, text_count };
    const Words numbers = tokenizer.file().words(FilePart::picture);
    if (numbers.empty()) throw Failure(Exit::model, "this model cannot see pictures; it only reads text");
    const Texts texts = tokenizer.file().texts(FilePart::picture_offsets, FilePart::picture_bytes);
    if (numbers.size() != 2 || texts.size() != text_count) fail_tokenizer("its part on pictures is truncated");
    return {numbers[0], numbers[1], texts[alone], texts[start_user], texts[system_user]};
}

}  // namespace nnrun
