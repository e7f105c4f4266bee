#pragma once

#include <string>

namespace nnrun {

// Catches what ncnn prints on stderr while it is alive: the user gets one line of ours,
// which may quote ncnn's.
class Quiet {
public:
    Quiet();
    ~Quiet();
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;

    std::string last_line() const;

private:
    int caught_ = -1;
    int stderr_ = -1;
};

}  // namespace nnrun
