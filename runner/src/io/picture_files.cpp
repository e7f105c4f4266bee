#include "io/picture_files.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/text.h"
#include "io/decode.h"

namespace nnrun {
namespace {

struct Closer {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

bool is_folder(const std::string& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

std::string lower(std::string text) {
    for (char& letter : text)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    return text;
}

bool is_picture(const std::string& name) {
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos || dot == 0) return false;
    const std::string ending = lower(name.substr(dot));
    return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

std::vector<std::string> listed(const std::string& list) {
    const std::vector<unsigned char> bytes = read_file(list, Exit::input);
    std::vector<std::string> paths;
    for (const std::string& line : lines_of(std::string(bytes.begin(), bytes.end())))
        if (!line.empty()) paths.push_back(line);
    if (paths.empty()) throw Failure(Exit::input, list + ": no path in it");
    return paths;
}

}  // namespace

PictureFiles::PictureFiles(const InputsPlan& plan) {
    for (const std::string& path : plan.paths) add(path);
    if (plan.list.empty()) return;
    for (const std::string& path : listed(plan.list)) add(path);
}

void PictureFiles::add(const std::string& path) {
    if (is_folder(path))
        add_folder(path);
    else
        entries_.push_back({path, ""});
}

void PictureFiles::add_folder(const std::string& path) {
    const std::unique_ptr<DIR, Closer> folder(::opendir(path.c_str()));
    if (!folder) {
        entries_.push_back({path, std::strerror(errno)});
        return;
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(folder.get()))
        if (is_picture(entry->d_name)) names.emplace_back(entry->d_name);
    std::sort(names.begin(), names.end());
    const std::string stem = path.back() == '/' ? path : path + "/";
    for (const std::string& name : names) entries_.push_back({stem + name, ""});
    if (names.empty()) entries_.push_back({path, "no .jpg, .jpeg or .png in this folder"});
}

bool PictureFiles::next(Frame& frame) {
    if (at_ == entries_.size()) return false;
    const Entry& entry = entries_[at_++];
    frame.path = entry.path;
    frame.is_file = true;
    if (!entry.wrong.empty()) throw Failure(Exit::input, entry.wrong);
    const Stopwatch watch;
    read_image(entry.path, frame.image);
    frame.decode_ms = watch.ms();
    return true;
}

}  // namespace nnrun
