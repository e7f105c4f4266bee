#include "io/inputs.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "core/clock.h"
#include "core/failure.h"
#include "core/file.h"
#include "core/lines.h"
#include "core/text.h"
#include "io/image.h"
#include "io/latest.h"
#include "io/streams.h"

namespace nnrun {
namespace {

void report(const std::string& verb, const Frame& frame, const std::string& error) {
    std::fprintf(stderr, "nnrun %s: %s\n", verb.c_str(), printable(error).c_str());
    json::Object line;
    line.text("type", "error");
    write_line(frame.name(line).text("error", error).str());
}

std::string name_of(const Frame& frame) { return frame.is_file ? frame.path : "frame " + std::to_string(frame.index); }

// Messages of reading a picture begin with its path already.
std::string about(const Frame& frame, const std::string& error) {
    return error.rfind(name_of(frame) + ":", 0) == 0 ? error : name_of(frame) + ": " + error;
}

void check_combination(const Args& args, const InputsPlan& plan) {
    const bool stream = !plan.stream.empty();
    const bool files = !plan.paths.empty() || !plan.list.empty();
    if (stream && files) args.reject("--stdin cannot be combined with pictures or --list");
    if (!stream && !files) args.reject("name at least one image or folder, or give --list or --stdin");
    if ((plan.stream == "yuv420") != args.has("--frame")) args.reject("--frame and --stdin yuv420 need each other");
}

}  // namespace

json::Object& Frame::name(json::Object& line) const {
    if (is_file) return line.text("image", path);
    line.integer("frame", index);
    return is_live ? line.integer("dropped", dropped).number("at", to_milliseconds(at_s)) : line;
}

std::vector<Flag> input_flags() {
    return {
        {"--list", "FILE", "of images and folders, one a line"},
        {"--stdin", "KIND", "frames from standard input: mjpeg, or yuv420 (I420, BT.601 in full range, as JPEG)"},
        {"--frame", "WxH", "yuv420: size of a frame"},
        {"--latest", "SECONDS", "mjpeg: a live stream; late frames are dropped and counted, and it ends after this long without one"},
        {"--stop-after", "N", "end after this many frames or pictures"},
    };
}

InputsPlan read_inputs(const Args& args) {
    InputsPlan plan;
    plan.paths = args.positional();
    plan.list = args.text("--list");
    if (args.has("--stdin")) plan.stream = args.choice("--stdin", {"mjpeg", "yuv420"}, "");
    check_combination(args, plan);
    if (args.has("--frame")) {
        const std::vector<int> sides = args.sizes("--frame", 'x', 2, 2);
        plan.width = sides[0];
        plan.height = sides[1];
    }
    if (args.has("--latest") && plan.stream != "mjpeg") args.reject("--latest needs --stdin mjpeg");
    plan.silence_s = args.number("--latest", 0.1, 86400, 0);
    plan.most = args.integer("--stop-after", 1, 2000000000, 0);
    return plan;
}

std::unique_ptr<Inputs> open_inputs(const InputsPlan& plan) {
    if (plan.silence_s > 0) return std::make_unique<LatestFrames>(plan.silence_s);
    if (plan.stream == "mjpeg") return std::make_unique<MjpegFrames>();
    if (plan.stream == "yuv420") return std::make_unique<YuvFrames>(plan.width, plan.height);
    return std::make_unique<PictureFiles>(plan);
}

Tally for_each_frame(const std::string& verb, const InputsPlan& plan, const std::function<void(Frame&)>& process) {
    const std::unique_ptr<Inputs> inputs = open_inputs(plan);
    Frame frame;
    Tally tally;
    tally.is_live = frame.is_live = plan.silence_s > 0;
    for (; plan.most == 0 || tally.frames < plan.most; ++frame.index) {
        try {
            if (!inputs->next(frame)) {
                tally.ending = inputs->ending();
                break;
            }
            process(frame);
        } catch (const std::bad_alloc&) {
            report(verb, frame, name_of(frame) + ": not enough memory; scale the picture down first");
            ++tally.failed;
        } catch (const Failure& failure) {
            if (failure.code != Exit::input) throw;
            report(verb, frame, about(frame, failure.what()));
            ++tally.failed;
        }
        ++tally.frames;
    }
    tally.dropped = frame.dropped;
    if (tally.ending.empty()) tally.ending = "count";
    return tally;
}

namespace {

struct Closer {
    void operator()(DIR* folder) const { ::closedir(folder); }
};

bool is_folder(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
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

std::vector<std::string> read_list(const std::string& list) {
    const std::vector<unsigned char> bytes = read_file(list, Exit::input);
    std::vector<std::string> paths;
    for (const std::string& line : lines_of(std::string(bytes.begin(), bytes.end())))
        if (!line.empty()) paths.push_back(line);
    if (paths.empty()) throw Failure(Exit::input, list + ": lists no path");
    return paths;
}

}  // namespace

PictureFiles::PictureFiles(const InputsPlan& plan) {
    for (const std::string& path : plan.paths) add(path);
    if (plan.list.empty()) return;
    for (const std::string& path : read_list(plan.list)) add(path);
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
    if (!entry.error.empty()) throw Failure(Exit::input, entry.error);
    const Stopwatch watch;
    read_image(entry.path, frame.image);
    frame.decode_ms = watch.ms();
    return true;
}

}  // namespace nnrun
