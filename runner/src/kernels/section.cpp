#include "kernels/section.h"

namespace nnrun {
namespace {

constexpr int as_it_lies = 1;  // ModelBin::load's type for values without a tag
constexpr std::size_t word_size = 4;

std::size_t words_to_alignment(const void* at) {
    const std::size_t past = reinterpret_cast<std::uintptr_t>(at) % section_alignment;
    return past == 0 ? 0 : (section_alignment - past) / word_size;
}

}  // namespace

Section::Section(const ncnn::ModelBin& weights, const std::string& layer) : weights_(weights), layer_(layer) {
    const auto* mark = static_cast<const std::uint32_t*>(words(1));
    if (*mark != section_mark)
        throw BadSection(layer_ + " does not find its weights here: the file belongs to another .param, or to another version of nnrun");
    words(words_to_alignment(mark + 1));
}

const void* Section::words(std::size_t count) {
    if (count == 0) return nullptr;
    const ncnn::Mat values = weights_.load(static_cast<int>(count), as_it_lies);
    if (values.empty() || values.refcount != nullptr) throw BadSection(layer_ + " needs a .bin that is mapped into memory");
    return values.data;
}

const void* Section::bytes(std::size_t size) { return words(aligned_size(size) / word_size); }

}  // namespace nnrun
