#include "core/machine.h"

#include <cpu.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "core/text.h"

namespace nnrun {
namespace {

struct Feature {
    const char* name;
    int (*present)();
};

const std::array<Feature, 17> features{{
    {"asimdhp", ncnn::cpu_support_arm_asimdhp},
    {"asimddp", ncnn::cpu_support_arm_asimddp},
    {"asimdfhm", ncnn::cpu_support_arm_asimdfhm},
    {"bf16", ncnn::cpu_support_arm_bf16},
    {"i8mm", ncnn::cpu_support_arm_i8mm},
    {"sve", ncnn::cpu_support_arm_sve},
    {"sve2", ncnn::cpu_support_arm_sve2},
    {"svebf16", ncnn::cpu_support_arm_svebf16},
    {"svei8mm", ncnn::cpu_support_arm_svei8mm},
    {"avx", ncnn::cpu_support_x86_avx},
    {"fma", ncnn::cpu_support_x86_fma},
    {"f16c", ncnn::cpu_support_x86_f16c},
    {"avx2", ncnn::cpu_support_x86_avx2},
    {"avx_vnni", ncnn::cpu_support_x86_avx_vnni},
    {"avx512", ncnn::cpu_support_x86_avx512},
    {"avx512_vnni", ncnn::cpu_support_x86_avx512_vnni},
    {"avx512_bf16", ncnn::cpu_support_x86_avx512_bf16},
}};

bool concerns_openmp(const std::string& variable) {
    return variable.rfind("OMP_", 0) == 0 || variable.rfind("GOMP_", 0) == 0 || variable.rfind("KMP_", 0) == 0;
}

// The number behind a name in one of the kernel's lists: "VmHWM:   1234 kB".
std::optional<long long> listed(const char* path, const std::string& name) {
    std::ifstream list(path);
    for (std::string line; std::getline(list, line);) {
        const std::vector<std::string> found = words(line);
        if (found.size() >= 2 && found[0] == name) return parse_integer(found[1]);
    }
    return std::nullopt;
}

}  // namespace

std::string cpu_arch() {
    struct utsname facts {};
    return ::uname(&facts) == 0 ? facts.machine : "unknown";
}

std::vector<std::string> cpu_features() {
    std::vector<std::string> found;
    for (const Feature& feature : features)
        if (feature.present() != 0) found.emplace_back(feature.name);
    return found;
}

std::vector<std::string> openmp_environment() {
    std::vector<std::string> found;
    for (char** variable = ::environ; *variable != nullptr; ++variable)
        if (concerns_openmp(*variable)) found.emplace_back(*variable);
    return found;
}

// Not getrusage(): its maximum survives exec, so it may be the peak of whoever started us.
long peak_rss_kb() { return static_cast<long>(listed("/proc/self/status", "VmHWM:").value_or(0)); }

std::optional<std::uint64_t> available_bytes() {
    const auto kilobytes = listed("/proc/meminfo", "MemAvailable:");
    return kilobytes && *kilobytes >= 0 ? std::optional(static_cast<std::uint64_t>(*kilobytes) * 1024) : std::nullopt;
}

}  // namespace nnrun
