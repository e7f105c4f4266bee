#pragma once

#include <functional>
#include <string>

namespace nnrun {

// Catches what ncnn prints on stderr while it is alive: the user gets one line of ours,
// which may quote ncnn's.
class StderrCapture {
public:
    StderrCapture();
    ~StderrCapture();
    StderrCapture(const StderrCapture&) = delete;
    StderrCapture& operator=(const StderrCapture&) = delete;

    std::string last_line() const;

private:
    int captured_ = -1;
    int stderr_ = -1;
};

// Runs the action in a child process and returns its result: ncnn may crash on files that the checks
// before it did not catch, and then the user gets a line instead of a signal. A Failure of the action
// is thrown here as if it had happened here. `subject` is what a message is about.
std::string rehearse(const std::string& subject, const std::function<std::string()>& action);

}  // namespace nnrun
