#pragma once

#include <string>
#include <vector>

#include "io/inputs.h"

namespace nnrun {

// Pictures of files; a folder stands for its .jpg, .jpeg and .png by name.
class PictureFiles : public Inputs {
public:
    explicit PictureFiles(const InputsPlan& plan);
    bool next(Frame& frame) override;

private:
    struct Entry {
        std::string path;
        std::string wrong;  // "": nothing
    };

    void add(const std::string& path);
    void add_folder(const std::string& path);

    std::vector<Entry> entries_;
    std::size_t at_ = 0;
};

}  // namespace nnrun
