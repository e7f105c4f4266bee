#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/args.h"
#include "core/json.h"
#include "io/image.h"
#include "io/inputs.h"
#include "io/jpeg_writer.h"
#include "io/preview.h"
#include "vision/head.h"
#include "vision/objects.h"

namespace nnrun {

// One label a line; a file that cannot be read is a Failure with Exit::input.
std::vector<std::string> read_labels(const std::string& path);

// The line of a frame: {"type":"objects","image" or "frame","width","height","objects":[...],"ms"}.
std::string objects_line(const Frame& frame, const std::vector<Object>& objects, const std::vector<std::string>& labels, const Stages& ms);

// The stages of a verb that neither tracks nor draws.
std::string stages_json(const Stages& ms);

// Where a browser can look on.
struct PreviewPlan {
    std::optional<int> port;
    std::string title;
};

// Where annotated pictures go.
struct DrawPlan {
    std::string folder;  // "": no pictures
    std::string film;    // "": no MJPEG
    PreviewPlan preview;
    bool regions = false;  // a region a class, with a legend; else objects in boxes
    bool enabled() const { return !folder.empty() || !film.empty(); }
};

std::vector<Flag> draw_flags();
// A folder that cannot be written to is a Failure with Exit::output.
DrawPlan read_draw(const Args& args);

// Writes and shows pictures with the detected objects drawn on them. What cannot be written is a Failure with
// Exit::output.
class Drawings {
public:
    Drawings(const DrawPlan& plan, const std::vector<std::string>& labels);

    bool enabled() const { return plan_.enabled() || (preview_ && preview_->is_watched()); }
    // Paints on the picture itself: no copy.
    void add(Frame& frame, const std::vector<Object>& objects);

private:
    void write(long index, const Image& image);

    DrawPlan plan_;
    std::vector<std::string> labels_;
    std::optional<MjpegWriter> film_;
    std::unique_ptr<Preview> preview_;
};

std::vector<Flag> preview_flags();
PreviewPlan read_preview(const Args& args);
// None where the plan has no port. Writes {"type":"preview","port"}.
std::unique_ptr<Preview> open_preview(const PreviewPlan& plan);

// What the verbs that find objects have in common: frames in, lines out.
struct FramesPlan {
    std::string verb;
    InputsPlan inputs;
    std::vector<std::string> labels;
    DrawPlan draw;
};

// --labels, the inputs, what to draw, the flags of a net and of its preprocessing, then the verb's own.
std::vector<Flag> frame_flags(const std::vector<Flag>& own);
FramesPlan read_frames(const Args& args);

// The objects of one frame, which live until the next; sets all of the stages but decode and draw.
using FindObjects = std::function<std::vector<Object>&(const Image&, Stages&)>;

// A line a frame, then the summary; the exit code.
int process_frames(const FramesPlan& plan, const FindObjects& find);

// The whole of a verb whose one net has a dense head.
int run_detector(const Args& args, const HeadPlan& head);
// The same of one whose net has a map of classes.
int run_segmenter(const Args& args, const HeadPlan& head);

// The last line of a run over frames.
void write_summary(const Tally& tally);

}  // namespace nnrun
