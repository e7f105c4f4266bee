#include "core/machine.h"

#include <cpu.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
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
std::optional<long long> read_entry(const char* path, const std::string& name) {
    std::ifstream list(path);
    for (std::string line; std::getline(list, line);) {
        const std::vector<std::string> fields = words(line);
        if (fields.size() >= 2 && fields[0] == name) return parse_integer(fields[1]);
    }
    return std::nullopt;
}

}  // namespace

std::string cpu_arch() {
    struct utsname info {};
    return ::uname(&info) == 0 ? info.machine : "unknown";
}

std::vector<std::string> cpu_features() {
    std::vector<std::string> names;
    for (const Feature& feature : features)
        if (feature.present() != 0) names.emplace_back(feature.name);
    return names;
}

std::vector<std::string> openmp_environment() {
    std::vector<std::string> variables;
    for (char** variable = ::environ; *variable != nullptr; ++variable)
        if (concerns_openmp(*variable)) variables.emplace_back(*variable);
    return variables;
}

// Not getrusage(): its maximum survives exec, so it may be the peak of the parent.
long peak_rss_kb() { return static_cast<long>(read_entry("/proc/self/status", "VmHWM:").value_or(0)); }

std::optional<std::uint64_t> available_bytes() {
    const auto kilobytes = read_entry("/proc/meminfo", "MemAvailable:");
    return kilobytes && *kilobytes >= 0 ? std::optional(static_cast<std::uint64_t>(*kilobytes) * 1024) : std::nullopt;
}

KernelFile::KernelFile(const std::string& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

KernelFile::~KernelFile() {
    if (file_ >= 0) ::close(file_);
}

std::string_view KernelFile::read() {
    const ssize_t got = file_ < 0 ? -1 : ::pread(file_, text_.data(), text_.size(), 0);
    return got <= 0 ? std::string_view() : std::string_view(text_.data(), static_cast<std::size_t>(got));
}

namespace {

// Words of one line, one after the other; empty ones when there are no more.
class Words {
public:
    explicit Words(std::string_view text) : rest_(text.substr(0, text.find('\n'))) {}

    std::string_view next() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
        const std::string_view word = rest_.substr(0, rest_.find(' '));
        rest_.remove_prefix(word.size());
        return word;
    }

    void skip(int count) {
        for (int i = 0; i < count; ++i) next();
    }

private:
    std::string_view rest_;
};

template <typename Value>
std::optional<Value> whole(std::string_view word) {
    Value value{};
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size() || word.empty()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<double> leading_number(std::string_view text) { return whole<double>(Words(text).next()); }

std::optional<long long> leading_integer(std::string_view text) { return whole<long long>(Words(text).next()); }

std::optional<long long> memory_kb(std::string_view meminfo, std::string_view name) {
    for (std::string_view rest = meminfo; !rest.empty();) {
        Words line(rest);
        if (line.next() == name) return whole<long long>(line.next());
        rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    }
    return std::nullopt;
}

// cpu user nice system idle iowait irq softirq steal; guests are in user already.
std::optional<long long> busy_ticks(std::string_view stat) {
    Words line(stat);
    if (line.next() != "cpu") return std::nullopt;
    long long sum = 0;
    for (const bool busy : {true, true, true, false, false, true, true, true}) {
        const auto ticks = whole<long long>(line.next());
        if (!ticks) return std::nullopt;
        if (busy) sum += *ticks;
    }
    return sum;
}

// The second field is the program's name, in which there may be anything but what follows it.
std::optional<ProcessStat> process_stat(std::string_view stat) {
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    Words fields(stat.substr(name_end + 1));
    const std::string_view state = fields.next();
    fields.skip(10);
    const auto user = whole<long long>(fields.next());
    const auto system = whole<long long>(fields.next());
    fields.skip(6);
    const auto started = whole<unsigned long long>(fields.next());
    if (state.size() != 1 || !user || !system || !started) return std::nullopt;
    return ProcessStat{state[0], *user + *system, *started};
}

}  // namespace nnrun
