#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nnrun {

std::string cpu_arch();
// The features for which ncnn has kernels and which this CPU has.
std::vector<std::string> cpu_features();
// "OMP_WAIT_POLICY=PASSIVE" …: what changes how OpenMP runs.
std::vector<std::string> openmp_environment();
long peak_rss_kb();
// What can be had without swapping; nullopt where the kernel does not say so.
std::optional<std::uint64_t> available_bytes();

}  // namespace nnrun
