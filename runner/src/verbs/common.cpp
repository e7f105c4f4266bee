#include "verbs/common.h"

#include <cpu.h>

#include <algorithm>

#include "net/winograd.h"

namespace nnrun {

std::vector<Flag> with_common_flags(const std::vector<Flag>& own) {
    std::vector<Flag> flags{
        {"--param", "FILE", "the net, a text .param", true},
        {"--bin", "FILE", "its weights", true},
        {"--threads", "N", "default: the number of big cores"},
        {"--powersave", "0|1|2", "0 all cores, 1 little ones, 2 big ones; default 0"},
        {"--precision", "P", "fp32, fp16, bf16 or int8; default fp16, as ncnn's own"},
        {"--winograd", "TILE", "largest tile: 63, 43, 23 or off; default auto = 43 for fp16 and int8, else 63"},
        {"--input-blob", "NAME", "default: the net's input"},
        {"--output-blob", "NAME", "default: all outputs", false, true},
    };
    flags.insert(flags.end(), own.begin(), own.end());
    return flags;
}

Request read_request(const Args& args) {
    Request request;
    request.param = args.text("--param");
    request.bin = args.text("--bin");
    const int cores = std::max(1, ncnn::get_cpu_count());
    request.threads = args.integer("--threads", 1, cores, std::clamp(ncnn::get_physical_big_cpu_count(), 1, cores));
    request.powersave = args.integer("--powersave", 0, 2, 0);
    request.precision = args.choice("--precision", {"fp32", "fp16", "bf16", "int8"}, "fp16");
    request.winograd = args.choice("--winograd", winograd_choices(), "auto");
    request.input_blob = args.text("--input-blob");
    request.output_blobs = args.texts("--output-blob");
    return request;
}

}  // namespace nnrun
