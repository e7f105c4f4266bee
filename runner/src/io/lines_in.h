#pragma once

#include <optional>
#include <string>

namespace nnrun {

// Lines as they come: of stdin until it ends, or of a file that grows, until nothing comes for some time.
class LinesIn {
public:
    // "" is stdin. A file need not exist yet.
    LinesIn(const std::string& path, double idle_s);
    ~LinesIn();
    LinesIn(const LinesIn&) = delete;
    LinesIn& operator=(const LinesIn&) = delete;

    // Without its end; none where no further one comes. More than 16 MB is a Failure with Exit::input.
    std::optional<std::string> next();

private:
    bool read_more();
    bool wait_for_more();

    std::string path_;
    double idle_s_;
    int file_ = -1;
    std::string pending_;
    bool has_ended_ = false;
};

}  // namespace nnrun
