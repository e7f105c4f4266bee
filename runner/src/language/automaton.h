#pragma once

#include <array>
#include <string>

#include "language/schema.h"

namespace nnrun {

// Walks a schema along a JSON text, one byte after the other, without looking back. Where JSON may have white
// space, one blank may stand between two parts of an object or list and none elsewhere; numbers have at most 16 digits
// before and after the point and two in the exponent; escapes of half a surrogate pair are left out. So no
// text goes on forever without coming to its end.
class Automaton {
public:
    // The schema must outlive it.
    explicit Automaton(const Schema& schema) : schema_(&schema) {}

    // False when the byte cannot follow; then nothing else may be called but the assignment of another one.
    bool take(unsigned char byte);
    // The text may end here.
    bool is_complete() const;
    // Nothing can follow.
    bool is_finished() const { return started_ && depth_ == 0; }
    // Two automata with the same key accept the same bytes, up to so many.
    std::string key(std::size_t bytes) const;

private:
    // Of an open value. What the fields mean depends on the kind of its node.
    struct Frame {
        std::uint32_t node = 0;
        std::uint32_t count = 0;   // items, characters or digits so far; of an object the next property
        std::uint32_t pick = 0;    // of a key or literal: one of those that the text is so far
        std::uint16_t at = 0;      // bytes of it
        std::uint8_t phase = 0;    // where in the value
        std::uint8_t pending = 0;  // of a string: bytes that the character still needs; of others: a blank came last
        std::uint8_t low = 0;      // of a string: what the next of those may be
        std::uint8_t high = 0;
    };

    Frame& top() { return frames_[depth_ - 1]; }
    const Frame& top() const { return frames_[depth_ - 1]; }
    const Schema::Node& node_of(const Frame& frame) const { return schema_->node(frame.node); }

    bool begin(std::uint32_t node, unsigned char byte);
    bool fits(std::uint32_t node) const;
    bool can_end(const Frame& frame) const;
    bool take_object(Frame& frame, unsigned char byte);
    bool take_key(Frame& frame, unsigned char byte);
    bool begin_key(Frame& frame, unsigned char byte);
    bool may_close(const Frame& frame) const;
    bool has_key(const Frame& frame) const;
    std::uint32_t last_key(const Frame& frame) const;
    bool take_array(Frame& frame, unsigned char byte);
    bool take_string(Frame& frame, unsigned char byte);
    bool take_plain(Frame& frame, unsigned char byte);
    bool take_escape(Frame& frame, unsigned char byte);
    bool take_number(Frame& frame, unsigned char byte);
    bool take_literal(Frame& frame, unsigned char byte);
    bool take_blank(Frame& frame, unsigned char byte);
    bool close() { return --depth_, true; }

    const Schema* schema_;
    bool started_ = false;
    std::uint32_t depth_ = 0;
    std::array<Frame, Schema::max_depth> frames_;
};

}  // namespace nnrun
