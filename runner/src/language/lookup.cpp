#include "language/lookup.h"

#include <algorithm>

namespace nnrun {
namespace {

// Where the tokens after the latest earlier occurrence of the last `size` begin; the end of the context
// when there is none.
std::size_t continuation(const Tokens& context, std::size_t size) {
    const auto tail = context.end() - static_cast<std::ptrdiff_t>(size);
    for (std::size_t at = context.size() - size; at-- > 0;)
        if (std::equal(tail, context.end(), context.begin() + static_cast<std::ptrdiff_t>(at))) return at + size;
    return context.size();
}

}  // namespace

Tokens draft(const LookupPlan& plan, const Tokens& context, std::size_t room) {
    const std::size_t most = std::min(plan.most, room);
    if (most == 0) return {};
    for (std::size_t size = plan.longest; size >= plan.shortest && size > 0; --size) {
        if (size >= context.size()) continue;
        const std::size_t from = continuation(context, size);
        const std::size_t count = std::min(most, context.size() - from);
        const auto begin = context.begin() + static_cast<std::ptrdiff_t>(from);
        if (count > 0) return Tokens(begin, begin + static_cast<std::ptrdiff_t>(count));
    }
    return {};
}

}  // namespace nnrun
