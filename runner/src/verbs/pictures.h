#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/args.h"
#include "core/json.h"
#include "language/shown_picture.h"
#include "text/tokenizer.h"
#include "verbs/language.h"

namespace nnrun {

// The flags of a picture that a language model is asked about.
std::vector<Flag> picture_flags();
// None without --picture.
std::optional<PicturePlan> read_picture(const Args& args, const LanguagePlan& language);

// Null without a plan. With a tokenizer, which may be null, it says how a picture stands in a prompt; else the prompt,
// in which every picture's token counts.
std::unique_ptr<ShownPicture> open_picture(const std::optional<PicturePlan>& plan, const Tokenizer* tokenizer, const Tokens& prompt);

// For the header.
json::Object describe(const PicturePlan& plan);
// {"type":"picture","rows","width","ms":{…}}: what encoding took.
void write_picture_line(const ShownPicture& picture, const PictureTimes& times);

}  // namespace nnrun
