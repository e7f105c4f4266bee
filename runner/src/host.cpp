#include "host.h"

#include <cpu.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>
#include <vector>

#include "failure.h"
#include "json.h"
#include "text.h"

namespace nnrun {
namespace {

struct Feature {
    const char* name;
    int (*present)();
};

#if defined __aarch64__
const char* const arch = "aarch64";
const std::vector<Feature> known{
    {"neon", ncnn::cpu_support_arm_neon},         {"vfpv4", ncnn::cpu_support_arm_vfpv4},
    {"asimdhp", ncnn::cpu_support_arm_asimdhp},   {"asimddp", ncnn::cpu_support_arm_asimddp},
    {"asimdfhm", ncnn::cpu_support_arm_asimdfhm}, {"bf16", ncnn::cpu_support_arm_bf16},
    {"i8mm", ncnn::cpu_support_arm_i8mm},         {"sve", ncnn::cpu_support_arm_sve},
    {"sve2", ncnn::cpu_support_arm_sve2},         {"svebf16", ncnn::cpu_support_arm_svebf16},
    {"svei8mm", ncnn::cpu_support_arm_svei8mm},   {"svef32mm", ncnn::cpu_support_arm_svef32mm}};
#elif defined __x86_64__
const char* const arch = "x86_64";
const std::vector<Feature> known{
    {"avx", ncnn::cpu_support_x86_avx},           {"fma", ncnn::cpu_support_x86_fma},
    {"f16c", ncnn::cpu_support_x86_f16c},         {"avx2", ncnn::cpu_support_x86_avx2},
    {"avx_vnni", ncnn::cpu_support_x86_avx_vnni}, {"avx512", ncnn::cpu_support_x86_avx512},
    {"avx512_vnni", ncnn::cpu_support_x86_avx512_vnni},
    {"avx512_bf16", ncnn::cpu_support_x86_avx512_bf16},
    {"avx512_fp16", ncnn::cpu_support_x86_avx512_fp16}};
#else
#error "nnrun knows aarch64 and x86-64"
#endif

int allowed_cpus() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 0;
}

bool steers_openmp(const std::string& name) {
    for (const char* const prefix : {"OMP_", "GOMP_", "KMP_"})
        if (name.rfind(prefix, 0) == 0) return true;
    return false;
}

}  // namespace

int cpu_count() { return std::max(1, ncnn::get_cpu_count()); }

int default_threads() { return std::clamp(ncnn::get_physical_big_cpu_count(), 1, cpu_count()); }

void bind_cores(int powersave) {
    if (powersave == 0) return;
    if (ncnn::get_cpu_thread_affinity_mask(powersave).num_enabled() == 0 || ncnn::set_cpu_powersave(powersave) != 0)
        throw Failure(Exit::usage,
                      "--powersave " + std::to_string(powersave) + ": this CPU has no such cores to bind to; use 0");
}

std::string describe_cpu() {
    std::vector<std::string> features;
    for (const Feature& feature : known)
        if (feature.present()) features.emplace_back(feature.name);
    return json::Object()
        .text("arch", arch)
        .raw("features", json::strings(features))
        .integer("count", cpu_count())
        .integer("big", ncnn::get_big_cpu_count())
        .integer("allowed", allowed_cpus())
        .str();
}

std::string describe_environment() {
    std::vector<std::string> settings;
    for (char** entry = environ; *entry; ++entry)
        if (steers_openmp(*entry)) settings.emplace_back(*entry);
    std::sort(settings.begin(), settings.end());
    json::Object object;
    for (const std::string& setting : settings) {
        const std::size_t equals = setting.find('=');
        object.text(setting.substr(0, equals), setting.substr(equals + 1));
    }
    return object.str();
}

// Not getrusage: its figure outlives exec and would tell of the program that started us.
long long peak_rss_kb() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        const std::vector<std::string> found = words(line);
        if (found.size() > 1 && found[0] == "VmHWM:") return parse_integer(found[1]).value_or(0);
    }
    return 0;
}

}  // namespace nnrun
