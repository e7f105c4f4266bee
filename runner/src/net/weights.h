#pragma once

#include <datareader.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

#include "core/file.h"

namespace nnrun {

// Reads a .bin file for ncnn and keeps account of it: how much of the file the net used, and in
// which formats the tagged weights are stored. A read past its end is a Failure with Exit::model.
class WeightsFile : public ncnn::DataReader {
public:
    // With a mapping of the same file, layers may refer to it instead of copying.
    explicit WeightsFile(const std::string& path, const MappedFile* mapped = nullptr);
    ~WeightsFile() override;
    WeightsFile(const WeightsFile&) = delete;
    WeightsFile& operator=(const WeightsFile&) = delete;

    std::size_t read(void* buffer, std::size_t size) const override;
    std::size_t reference(std::size_t size, const void** buffer) const override;

    std::size_t size() const { return size_; }
    std::size_t used() const { return used_; }
    // "fp32", "fp16", "fp16+int8" … or "none".
    std::string formats() const;

private:
    void check(std::size_t size) const;
    void account(const void* buffer, std::size_t size) const;

    std::string path_;
    const MappedFile* mapped_;
    std::FILE* file_;
    std::size_t size_ = 0;
    // ncnn's interface declares read() const.
    mutable std::size_t used_ = 0;
    mutable int expected_ = -1;
    mutable std::array<std::size_t, 4> bytes_{};
};

}  // namespace nnrun
