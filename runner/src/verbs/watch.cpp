#include "verbs/verbs.h"

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include <cmath>
#include <optional>
#include <string>

#include "core/clock.h"
#include "core/firmware.h"
#include "core/json.h"
#include "core/lines.h"
#include "core/machine.h"
#include "core/signals.h"

namespace nnrun {
namespace {

// The board's state at one time; whatever it cannot tell is null (Sample of piyard's telemetry).
struct Sample {
    double uptime_s = 0;
    std::optional<long long> temperature_mc;
    std::optional<long long> khz;
    std::optional<long long> arm_hz;
    std::optional<std::string> throttled;
    std::optional<double> load;
    std::optional<long long> available_kb;
    std::optional<long long> swap_kb;
    std::optional<long long> busy_ticks;
    std::optional<long long> own_ticks;
};

std::optional<long long> swap_used_kb(std::string_view meminfo) {
    const auto total = memory_kb(meminfo, "SwapTotal:");
    const auto free = memory_kb(meminfo, "SwapFree:");
    return total && free ? std::optional<long long>(*total - *free) : std::nullopt;
}

// What the kernel knows of this board, each file opened once.
class Sensors {
public:
    // All of a sample but what the firmware and the watched process would tell.
    Sample read() {
        Sample sample;
        sample.uptime_s = uptime_s();
        sample.temperature_mc = leading_integer(temperature_.read());
        sample.khz = leading_integer(khz_.read());
        sample.load = leading_number(load_.read());
        const std::string_view meminfo = memory_.read();
        sample.available_kb = memory_kb(meminfo, "MemAvailable:");
        sample.swap_kb = swap_used_kb(meminfo);
        sample.busy_ticks = busy_ticks(cores_.read());
        return sample;
    }

private:
    KernelFile temperature_{"/sys/class/thermal/thermal_zone0/temp"};
    KernelFile khz_{"/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq"};
    KernelFile load_{"/proc/loadavg"};
    KernelFile memory_{"/proc/meminfo"};
    KernelFile cores_{"/proc/stat"};
};

void put(json::Object& line, const char* key, const std::optional<long long>& value) { value ? line.integer(key, *value) : line.null(key); }

json::Object sample_json(const Sample& sample) {
    json::Object line;
    line.number("uptime_s", to_milliseconds(sample.uptime_s));
    put(line, "temperature_mc", sample.temperature_mc);
    put(line, "khz", sample.khz);
    put(line, "arm_hz", sample.arm_hz);
    sample.throttled ? line.text("throttled", *sample.throttled) : line.null("throttled");
    sample.load ? line.number("load", *sample.load) : line.null("load");
    put(line, "available_kb", sample.available_kb);
    put(line, "swap_kb", sample.swap_kb);
    put(line, "busy_ticks", sample.busy_ticks);
    put(line, "own_ticks", sample.own_ticks);
    return line;
}

std::string rails_json(const std::optional<Rails>& rails) {
    if (!rails) return "null";
    json::Object object;
    for (const auto& [rail, watts] : *rails) object.number(rail, watts);
    return object.str();
}

constexpr int max_pid = 1 << 22;  // of 64-bit Linux

struct Plan {
    int process = 0;                 // 0: this board alone, for so many seconds
    unsigned long long started = 0;  // 0: any process of that number
    double seconds = 0;
    double interval = 1;
    bool pmic = false;
};

Plan read_plan(const Args& args) {
    if (args.has("--pid") == args.has("--seconds")) args.reject("give exactly one of --pid and --seconds");
    if (args.has("--start") && !args.has("--pid")) args.reject("--start needs --pid");
    Plan plan;
    plan.process = args.integer("--pid", 1, max_pid, 0);
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
        while (write_sample() && goes_on()) beat_.wait();
    }

private:
    // Whether there was still something to watch.
    bool write_sample() {
        Sample sample = sensors_.read();
        if (plan_.process != 0) {
            sample.own_ticks = subject_.ticks();
            if (!sample.own_ticks) return false;
        }
        if (plan_.pmic) {
            write_line(sample_json(sample).raw("rails_w", rails_json(firmware_.rails())).str());
        } else {
            ask_firmware(sample);
            write_line(sample_json(sample).str());
        }
        return true;
    }

    // Each query starts a process, dearer than all the rest: both at first, then each in every
    // third sample, never in the same one.
    void ask_firmware(Sample& sample) {
        if (count_ == 0 || count_ % 3 == 2) sample.arm_hz = firmware_.arm_hz();
        if (count_ % 3 == 0) sample.throttled = firmware_.throttled();
        ++count_;
    }

    bool goes_on() const { return plan_.process != 0 || beat_.next_s() <= plan_.seconds; }

    Plan plan_;
    long count_ = 0;  // of the samples so far
    Subject subject_;
    Beat beat_;
    Sensors sensors_;
    Firmware firmware_;
};

}  // namespace

std::vector<Flag> watch_flags() {
    return {
        {"--pid", "N", "the process; ends with it"},
        {"--start", "TICKS", "with --pid: when it started (/proc/N/stat), to be sure that it is the same process"},
        {"--seconds", "T", "instead of --pid: how long to watch"},
        {"--interval", "SECONDS", "between two samples, 0.5 or more; default 1"},
        {"--pmic", "", "the power of each rail instead of clock and throttling"},
    };
}

int watch(const Args& args) {
    const Plan plan = read_plan(args);
    const SignalCallback on_signal([] {
        end_capture();
        finish_lines();
    });
    give_way();
    Watch(plan).until_the_end();
    return 0;
}

}  // namespace nnrun
