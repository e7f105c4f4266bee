#include "track/detections.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/failure.h"
#include "core/file.h"
#include "core/text.h"

namespace nnrun {
namespace {

constexpr double max_frames = 10'000'000;

struct Row {
    int frame;
    Detection detection;
};

std::string trim(const std::string& text) {
    const char* const blanks = " \t\r";
    const std::size_t first = text.find_first_not_of(blanks);
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::optional<Row> read_row(const std::string& line) {
    std::vector<double> values;
    for (const std::string& word : split(line, ',')) {
        const std::optional<double> value = parse_number(trim(word));
        if (!value) return std::nullopt;
        values.push_back(*value);
    }
    if (values.size() < 6 || values[0] < 1 || values[0] > max_frames) return std::nullopt;
    if (values[0] != std::floor(values[0]) || values[1] != std::floor(values[1])) return std::nullopt;
    const double score = values.size() > 6 ? std::min(values[6], 1.0) : 1.0;
    const Corners box{values[2], values[3], values[2] + values[4], values[3] + values[5]};
    if (!std::all_of(box.begin(), box.end(), [](double corner) { return std::abs(corner) <= max_coordinate; })) return std::nullopt;
    return Row{static_cast<int>(values[0]), {box, score, 0}};
}

}  // namespace

std::map<int, std::vector<Detection>> read_detections(const std::string& path) {
    const std::vector<unsigned char> bytes = read_file(path, Exit::input);
    std::map<int, std::vector<Detection>> by_frame;
    int number = 0;
    for (const std::string& text : split(std::string(bytes.begin(), bytes.end()), '\n')) {
        ++number;
        const std::string line = trim(text);
        if (line.empty()) continue;
        const std::optional<Row> row = read_row(line);
        if (!row)
            throw Failure(Exit::input,
                          path + ":" + std::to_string(number) + ": not MOTChallenge; a line is frame,id,left,top,width,height,score");
        if (trackable(row->detection.box)) by_frame[row->frame].push_back(row->detection);
    }
    return by_frame;
}

}  // namespace nnrun
