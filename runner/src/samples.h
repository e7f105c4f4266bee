#pragma once

#include <mutex>
#include <vector>

namespace nnrun {

// Warm-up and timed samples. They wait in memory, so that no write falls between two
// inferences, and are written once: by the main thread, or by the one that speaks the
// last words when the run is stopped.
class Samples {
public:
    void reserve(std::size_t count) { taken_.reserve(count); }
    void add(bool warmup, double ms);
    void write();
    std::size_t timed() const { return timed_; }

private:
    struct Sample {
        bool warmup;
        double ms;
    };
    void write_one(const Sample& sample);

    std::mutex mutex_;
    std::vector<Sample> taken_;
    std::size_t written_ = 0;
    std::size_t written_timed_ = 0;
    std::size_t timed_ = 0;
};

}  // namespace nnrun
