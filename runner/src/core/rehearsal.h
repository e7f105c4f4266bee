#pragma once

#include <functional>
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

// Runs the act in a child process and gives back what it said: ncnn may crash on files that
// the checks before it did not catch, and then the user gets a line instead of a signal. A
// Failure of the act is thrown here as if it had happened here.
std::string rehearse(const std::string& what, const std::function<std::string()>& act);

}  // namespace nnrun
