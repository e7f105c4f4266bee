#pragma once

#include <string>

namespace nnrun {

int cpu_count();
// One thread per big core: what ncnn itself takes when nobody says.
int default_threads();
// 0 leaves the affinity that the process was started with; 1 little, 2 big cores only.
void bind_cores(int powersave);
std::string describe_cpu();
std::string describe_environment();
long long peak_rss_kb();

}  // namespace nnrun
