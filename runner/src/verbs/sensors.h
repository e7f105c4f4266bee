#pragma once

#include "core/kernel_file.h"
#include "verbs/moment.h"

namespace nnrun {

// What the kernel knows of this board, each file opened once.
class Sensors {
public:
    // All of a Moment but what the firmware and the watched process would tell.
    Moment read();

private:
    KernelFile temperature_{"/sys/class/thermal/thermal_zone0/temp"};
    KernelFile khz_{"/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq"};
    KernelFile load_{"/proc/loadavg"};
    KernelFile memory_{"/proc/meminfo"};
    KernelFile cores_{"/proc/stat"};
};

}  // namespace nnrun
