#include "verbs/watch.h"

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include <cmath>

#include "core/capture.h"
#include "core/clock.h"
#include "core/firmware.h"
#include "core/kernel_text.h"
#include "core/lines.h"
#include "core/stop.h"
#include "verbs/sensors.h"

namespace nnrun {
namespace {

constexpr int largest_process = 1 << 22;  // of 64-bit Linux

struct Plan {
    int process = 0;                 // 0: this board alone, for so many seconds
    unsigned long long started = 0;  // 0: whoever has that number now
    double seconds = 0;
    double interval = 1;
    bool pmic = false;
};

Plan read_plan(const Args& args) {
    if (args.has("--pid") == args.has("--seconds")) args.reject("give exactly one of --pid and --seconds");
    if (args.has("--start") && !args.has("--pid")) args.reject("--start goes with --pid");
    Plan plan;
    plan.process = args.integer("--pid", 1, largest_process, 0);
    plan.started = args.seed("--start", 0);
    plan.seconds = args.number("--seconds", 0.5, 86400, 0);
    plan.interval = args.number("--interval", 0.5, 3600, 1);
    plan.pmic = args.has("--pmic");
    return plan;
}

// The work that is measured goes first: a batch process never takes a core from a running one
// when it wakes. Idle priority would leave vcgencmd too little to be done within its limit.
void give_way() {
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_BATCH, &none);
    ::setpriority(PRIO_PROCESS, 0, 19);
}

// The watched process. Its file stays with it: a successor with its number is never taken for it.
class Subject {
public:
    explicit Subject(const Plan& plan) : started_(plan.started), stat_("/proc/" + std::to_string(plan.process) + "/stat") {}

    // Ticks of CPU time; nullopt when it has ended.
    std::optional<long long> ticks() {
        const auto now = process_stat(stat_.read());
        const bool lives = now && now->state != 'Z' && now->state != 'X' && (started_ == 0 || now->started == started_);
        return lives ? std::optional<long long>(now->ticks) : std::nullopt;
    }

private:
    unsigned long long started_;
    KernelFile stat_;
};

// Beats at fixed distances from its start, whatever happens between them; those that were
// missed are left out.
class Beat {
public:
    explicit Beat(double interval_s) : interval_s_(interval_s), begin_s_(uptime_s()) {}

    double passed_s() const { return uptime_s() - begin_s_; }
    double next_s() const { return (std::floor(passed_s() / interval_s_) + 1) * interval_s_; }

    void wait() const {
        const double at_s = begin_s_ + next_s();
        struct timespec at {};
        at.tv_sec = static_cast<time_t>(at_s);
        at.tv_nsec = static_cast<long>((at_s - std::floor(at_s)) * 1e9);
        while (::clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, nullptr) == EINTR) {
        }
    }

private:
    double interval_s_;
    double begin_s_;
};

class Watch {
public:
    explicit Watch(const Plan& plan) : plan_(plan), subject_(plan), beat_(plan.interval) {}

    void until_the_end() {
        while (write_moment() && goes_on()) beat_.wait();
    }

private:
    // Whether there was still something to watch.
    bool write_moment() {
        Moment now = sensors_.read();
        if (plan_.process != 0) {
            now.own_ticks = subject_.ticks();
            if (!now.own_ticks) return false;
        }
        write_line(plan_.pmic ? power_line(now, firmware_.rails()) : with_firmware(now).line());
        return true;
    }

    // A question is a process, dearer than all the rest: both at first, then each in every
    // third moment, never in the same.
    Moment with_firmware(Moment now) {
        if (count_ == 0 || count_ % 3 == 2) now.arm_hz = firmware_.arm_hz();
        if (count_ % 3 == 0) now.throttled = firmware_.throttled();
        ++count_;
        return now;
    }

    bool goes_on() const { return plan_.process != 0 || beat_.next_s() <= plan_.seconds; }

    Plan plan_;
    long count_ = 0;  // of the moments so far
    Subject subject_;
    Beat beat_;
    Sensors sensors_;
    Firmware firmware_;
};

}  // namespace

Verb watch_verb() {
    return {"watch",
            "Tells how the board feels while a process lives: temperature, clock, throttling, load, memory.",
            "",
            {
                {"--pid", "N", "of the process; ends with it"},
                {"--start", "TICKS", "with --pid: when it started (/proc/N/stat), to be sure that it is the one"},
                {"--seconds", "T", "instead of --pid: for so long"},
                {"--interval", "SECONDS", "between two moments, 0.5 or more; default 1"},
                {"--pmic", "", "the power of each rail instead of clock and throttling"},
            }};
}

int watch(const Args& args) {
    const Plan plan = read_plan(args);
    const LastWords last_words([] {
        end_capture();
        finish_lines();
    });
    give_way();
    Watch(plan).until_the_end();
    return 0;
}

}  // namespace nnrun
