#include "rehearsal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "failure.h"
#include "text.h"

namespace nnrun {
namespace {

// A file that lives in memory: unlike a pipe it never blocks a child that prints a lot.
class Notes {
public:
    explicit Notes(const char* name) : descriptor_(::memfd_create(name, MFD_CLOEXEC)) {
        if (descriptor_ < 0) throw Failure(Exit::model, std::string("cannot rehearse the net: ") + std::strerror(errno));
    }
    ~Notes() { ::close(descriptor_); }
    Notes(const Notes&) = delete;
    Notes& operator=(const Notes&) = delete;

    int descriptor() const { return descriptor_; }

    void replace(const std::string& text) const {
        if (::ftruncate(descriptor_, 0) != 0 ||
            ::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
            ::_exit(1);
    }

    std::string read() const {
        std::string text;
        char buffer[4096];
        ssize_t got = 0;
        while ((got = ::pread(descriptor_, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0)
            text.append(buffer, static_cast<std::size_t>(got));
        return text;
    }

private:
    int descriptor_;
};

constexpr char crash_mark = '?';

[[noreturn]] void act_and_exit(const std::function<void(const Phase&)>& act, const Notes& verdict, const Notes& noise,
                               pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::dup2(noise.descriptor(), STDERR_FILENO);
    try {
        act([&](const std::string& phase) { verdict.replace(crash_mark + phase); });
        verdict.replace("");
    } catch (const Failure& failure) {
        verdict.replace(std::to_string(static_cast<int>(failure.code)) + failure.what());
    } catch (const std::bad_alloc&) {
        verdict.replace("3not enough memory for the net");
    }
    ::_exit(0);
}

std::string last_line(const std::string& text) {
    std::string last;
    for (const std::string& line : split(text, '\n'))
        if (!line.empty()) last = line;
    return last.substr(0, 200);
}

std::string ending(int status) {
    if (!WIFSIGNALED(status)) return "ended early";
    const int signal_number = WTERMSIG(status);
    if (signal_number == SIGKILL) return "was killed, most likely for want of memory,";
    return "crashes (signal " + std::to_string(signal_number) + ")";
}

void judge(const std::string& verdict, const std::string& noise, int status) {
    if (verdict.empty() && status == 0) return;
    const std::string evidence = noise.empty() ? "" : " [ncnn: " + last_line(noise) + "]";
    if (verdict.empty() || verdict[0] == crash_mark)
        throw Failure(Exit::model, "ncnn " + ending(status) + " while " + verdict.substr(verdict.empty() ? 0 : 1) +
                                       "; check that .param, .bin and shape belong together" + evidence);
    throw Failure(static_cast<Exit>(verdict[0] - '0'), verdict.substr(1) + evidence);
}

}  // namespace

void rehearse(const std::function<void(const Phase&)>& act) {
    const Notes verdict("verdict"), noise("noise");
    verdict.replace(std::string(1, crash_mark) + "starting");
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw Failure(Exit::model, std::string("cannot rehearse the net: ") + std::strerror(errno));
    if (child == 0) act_and_exit(act, verdict, noise, parent);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    judge(verdict.read(), noise.read(), status);
}

}  // namespace nnrun
