// The least that can be done to time a net: what `nnrun bench` is measured against.
//   bare_loop PARAM BIN C,H,W THREADS LOOPS
// prints the milliseconds of each inference, one a line.
#include <net.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

double infer(const ncnn::Net& net, const ncnn::Mat& input) {
    const auto start = std::chrono::steady_clock::now();
    {
        ncnn::Extractor extractor = net.create_extractor();
        extractor.input(net.input_indexes().front(), input);
        for (const int blob : net.output_indexes()) {
            ncnn::Mat output;
            extractor.extract(blob, output);
        }
    }
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
    int c = 0, h = 0, w = 0;
    if (argc != 6 || std::sscanf(argv[3], "%d,%d,%d", &c, &h, &w) != 3) {
        std::fprintf(stderr, "bare_loop PARAM BIN C,H,W THREADS LOOPS\n");
        return 2;
    }
    ncnn::Net net;
    net.opt.num_threads = std::atoi(argv[4]);
    if (net.load_param(argv[1]) != 0 || net.load_model(argv[2]) != 0) return 3;
    ncnn::Mat input(w, h, c);
    input.fill(0.5f);
    std::vector<double> samples(static_cast<std::size_t>(std::atoi(argv[5])));
    for (double& sample : samples) sample = infer(net, input);
    for (const double sample : samples) std::printf("%.6f\n", sample);
    return 0;
}
