#include "io/npy_writer.h"

#include <cerrno>
#include <cstring>

#include "core/failure.h"

namespace nnrun {
namespace {

constexpr std::size_t head_size = 128;  // whole, whatever the number of rows
constexpr std::size_t begin_size = 10;  // mark, version, length of what follows

}  // namespace

NpyWriter::NpyWriter(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) fail();
    write_head();
}

long NpyWriter::add(const std::vector<float>& row) {
    if (columns_ == 0) columns_ = row.size();
    if (row.size() != columns_) throw Failure(Exit::output, path_ + ": rows of different lengths");
    if (std::fwrite(row.data(), sizeof(float), row.size(), file_.get()) != row.size() || std::fflush(file_.get()) != 0) fail();
    return rows_++;
}

void NpyWriter::finish() {
    if (std::fseek(file_.get(), 0, SEEK_SET) != 0) fail();
    write_head();
}

void NpyWriter::write_head() {
    const std::string shape = std::to_string(rows_) + ", " + std::to_string(columns_);
    std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
    head.resize(head_size - begin_size - 1, ' ');
    const char begin[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(head_size - begin_size), 0};
    head = std::string(begin, begin_size) + head + "\n";
    if (std::fwrite(head.data(), 1, head.size(), file_.get()) != head.size() || std::fflush(file_.get()) != 0) fail();
}

void NpyWriter::fail() const { throw Failure(Exit::output, path_ + ": " + std::strerror(errno)); }

}  // namespace nnrun
