#include "io/byte_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "core/failure.h"

namespace nnrun {

bool ByteStream::fill() {
    if (ended_) return false;
    ssize_t got = -1;
    do got = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    while (got < 0 && errno == EINTR);
    ended_ = got <= 0;
    if (got < 0) throw Failure(Exit::input, std::string("cannot read standard input: ") + std::strerror(errno));
    at_ = 0;
    end_ = static_cast<std::size_t>(got);
    return !ended_;
}

std::size_t ByteStream::read(unsigned char* to, std::size_t count) {
    std::size_t done = 0;
    while (done < count && (at_ < end_ || fill())) {
        const std::size_t part = std::min(count - done, end_ - at_);
        std::memcpy(to + done, buffer_.data() + at_, part);
        at_ += part;
        done += part;
    }
    return done;
}

void ByteStream::put_back(const unsigned char* bytes, std::size_t count) {
    std::vector<unsigned char> whole(bytes, bytes + count);
    whole.insert(whole.end(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_));
    at_ = 0;
    end_ = whole.size();
    whole.resize(std::max(whole.size(), buffer_.size()));
    buffer_ = std::move(whole);
}

}  // namespace nnrun
