#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace nnrun {

// Rows of floats, one after the other, as NumPy reads them: float32, little-endian, (rows, columns). How many
// there are is written at the end. What cannot be written is a Failure with Exit::output.
class NpyWriter {
public:
    // An existing file is emptied.
    explicit NpyWriter(const std::string& path);

    // The number of the row. All rows are as long as the first one.
    long add(const std::vector<float>& row);
    void finish();

private:
    struct Closer {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    void write_head();
    [[noreturn]] void fail() const;

    std::string path_;
    std::unique_ptr<std::FILE, Closer> file_;
    long rows_ = 0;
    std::size_t columns_ = 0;
};

}  // namespace nnrun
