#pragma once

#include <cstddef>
#include <vector>

namespace nnrun {

// Standard input, byte by byte, in one buffer that stays. Where it cannot be read there is a
// Failure with Exit::input, and then its end.
class ByteStream {
public:
    // The next byte, or -1 at the end.
    int next() { return at_ < end_ || fill() ? buffer_[at_++] : -1; }
    // As many as there are up to `count`; fewer only at the end.
    std::size_t read(unsigned char* to, std::size_t count);
    // They come next, again.
    void put_back(const unsigned char* bytes, std::size_t count);

private:
    bool fill();

    std::vector<unsigned char> buffer_ = std::vector<unsigned char>(1 << 16);
    std::size_t at_ = 0;
    std::size_t end_ = 0;
    bool ended_ = false;
};

}  // namespace nnrun
