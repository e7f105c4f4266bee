#include "verbs/labels.h"

#include "core/file.h"
#include "core/text.h"

namespace nnrun {

std::vector<std::string> read_labels(const std::string& path) {
    const std::vector<unsigned char> bytes = read_file(path, Exit::input);
    return lines_of(std::string(bytes.begin(), bytes.end()));
}

}  // namespace nnrun
