#pragma once

#include <stdexcept>
#include <string>

namespace nnrun {

enum class Exit { ok = 0, usage = 2, model = 3, input = 4, output = 5 };

// One line for the user: what failed, where, what to do next.
class Failure : public std::runtime_error {
public:
    Failure(Exit code, const std::string& line) : std::runtime_error(line), code(code) {}
    Exit code;
};

}  // namespace nnrun
