// A tensor in a .npy file.

#include "core/failure.h"
#include "net/tensor.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const nnrun::MemoryFile file(bytes, size);
    try {
        const ncnn::Mat tensor = nnrun::read_npy(file.path());
        nnrun::demand(nnrun::element_count(nnrun::shape_of(tensor)) * sizeof(float) <= size && !nnrun::flat(tensor).empty());
    } catch (const nnrun::Failure& failure) {
        nnrun::demand(failure.code == nnrun::Exit::input);
    }
    return 0;
}
