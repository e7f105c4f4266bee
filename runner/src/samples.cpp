#include "samples.h"

#include "json.h"
#include "lines.h"

namespace nnrun {

void Samples::add(bool warmup, double ms) {
    const std::lock_guard<std::mutex> lock(mutex_);
    taken_.push_back({warmup, ms});
    timed_ += warmup ? 0 : 1;
}

void Samples::write() {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (written_ < taken_.size()) write_one(taken_[written_]);
}

// Warm-up comes first, so what is not timed yet counts the warm-up.
void Samples::write_one(const Sample& sample) {
    const std::size_t index = sample.warmup ? written_ : written_timed_;
    write_line(json::Object()
                   .text("type", sample.warmup ? "warmup" : "sample")
                   .integer("i", static_cast<long long>(index))
                   .number("ms", sample.ms)
                   .str());
    ++written_;
    written_timed_ += sample.warmup ? 0 : 1;
}

}  // namespace nnrun
