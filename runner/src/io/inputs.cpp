#include "io/inputs.h"

#include <cstdio>
#include <new>

#include "core/failure.h"
#include "core/lines.h"
#include "core/text.h"
#include "io/mjpeg_frames.h"
#include "io/picture_files.h"
#include "io/yuv_frames.h"

namespace nnrun {
namespace {

void report(const std::string& verb, const Frame& frame, const std::string& error) {
    std::fprintf(stderr, "nnrun %s: %s\n", verb.c_str(), printable(error).c_str());
    json::Object line;
    line.text("type", "error");
    write_line(frame.name(line).text("error", error).str());
}

std::string title(const Frame& frame) { return frame.is_file ? frame.path : "frame " + std::to_string(frame.index); }

// What reading a picture says begins with its path already.
std::string about(const Frame& frame, const std::string& error) {
    return error.rfind(title(frame) + ":", 0) == 0 ? error : title(frame) + ": " + error;
}

void check_combination(const Args& args, const InputsPlan& plan) {
    const bool stream = !plan.stream.empty();
    const bool files = !plan.paths.empty() || !plan.list.empty();
    if (stream && files) args.reject("--stdin stands alone: no pictures and no --list");
    if (!stream && !files) args.reject("name at least one image or folder, or give --list or --stdin");
    if ((plan.stream == "yuv420") != args.has("--frame")) args.reject("--frame goes with --stdin yuv420, which needs it");
}

}  // namespace

json::Object& Frame::name(json::Object& line) const { return is_file ? line.text("image", path) : line.integer("frame", index); }

std::vector<Flag> input_flags() {
    return {
        {"--list", "FILE", "of images and folders, one a line"},
        {"--stdin", "KIND", "frames from standard input: mjpeg, or yuv420 (I420, BT.601 in full range, as JPEG)"},
        {"--frame", "WxH", "yuv420: size of a frame"},
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
    return plan;
}

std::unique_ptr<Inputs> open_inputs(const InputsPlan& plan) {
    if (plan.stream == "mjpeg") return std::make_unique<MjpegFrames>();
    if (plan.stream == "yuv420") return std::make_unique<YuvFrames>(plan.width, plan.height);
    return std::make_unique<PictureFiles>(plan);
}

Tally for_each_frame(const std::string& verb, const InputsPlan& plan, const std::function<void(Frame&)>& act) {
    const std::unique_ptr<Inputs> inputs = open_inputs(plan);
    Frame frame;
    Tally tally;
    for (bool more = true; more; ++frame.index) {
        try {
            more = inputs->next(frame);
            if (!more) break;
            act(frame);
        } catch (const std::bad_alloc&) {
            report(verb, frame, title(frame) + ": not enough memory; scale the picture down first");
            ++tally.failed;
        } catch (const Failure& failure) {
            if (failure.code != Exit::input) throw;
            report(verb, frame, about(frame, failure.what()));
            ++tally.failed;
        }
        ++tally.frames;
    }
    return tally;
}

}  // namespace nnrun
