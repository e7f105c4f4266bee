#include "language/stops.h"

#include <algorithm>

namespace nnrun {

std::string Stops::add(const std::string& piece) {
    if (!met_.empty()) return "";
    held_ += piece;
    std::size_t first = std::string::npos;
    for (const std::string& each : strings_) {
        const std::size_t at = held_.find(each);
        // The longer of two that begin at the same place.
        if (at < first || (at == first && at != std::string::npos && each.size() > met_.size())) {
            first = at;
            met_ = each;
        }
    }
    const std::size_t shown = met_.empty() ? held_.size() - held_size() : first;
    std::string text = held_.substr(0, shown);
    held_ = met_.empty() ? held_.substr(shown) : "";
    return text;
}

std::string Stops::finish() {
    std::string text;
    text.swap(held_);
    return text;
}

// The longest end of the text that one of the strings begins with.
std::size_t Stops::held_size() const {
    std::size_t longest = 0;
    for (const std::string& each : strings_)
        for (std::size_t size = std::min(each.size() - 1, held_.size()); size > longest; --size)
            if (held_.compare(held_.size() - size, size, each, 0, size) == 0) longest = size;
    return longest;
}

}  // namespace nnrun
