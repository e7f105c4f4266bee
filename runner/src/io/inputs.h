#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/args.h"
#include "core/json.h"
#include "io/image.h"

namespace nnrun {

// What the flags say of the inputs.
struct InputsPlan {
    std::vector<std::string> paths;  // pictures and folders
    std::string list;                // a file with a path a line
    std::string stream;              // "", mjpeg or yuv420
    int width = 0;                   // of yuv420's frames
    int height = 0;
    double silence_s = 0;  // of a live stream; 0: it is none
    long most = 0;         // frames; 0: all
};

std::vector<Flag> input_flags();
InputsPlan read_inputs(const Args& args);

// A picture of a file or a stream.
struct Frame {
    long index = 0;
    bool is_file = false;  // else of a stream
    std::string path;
    Image image;
    double decode_ms = 0;
    bool is_live = false;
    long dropped = 0;  // of a live stream, so far
    double at_s = 0;   // of a live stream, when it was taken; since boot

    // "image": its path, or "frame": its number; of a live stream also "dropped" and "at".
    json::Object& name(json::Object& line) const;
};

// Pictures one after another, the same memory for each.
class Inputs {
public:
    virtual ~Inputs() = default;
    // False at the end. A Failure with Exit::input is about this frame alone: the next call
    // continues with the one after it.
    virtual bool next(Frame& frame) = 0;
    // Why there is no further one.
    virtual const char* ending() const { return "end"; }
};

// A list that cannot be read is a Failure with Exit::input.
std::unique_ptr<Inputs> open_inputs(const InputsPlan& plan);

struct Tally {
    long frames = 0;
    long failed = 0;
    bool is_live = false;
    long dropped = 0;
    std::string ending;
};

// Each frame in turn. One that fails with Exit::input is reported, in a line on stdout and one on
// stderr that begins with the verb, and the loop continues with the next one.
Tally for_each_frame(const std::string& verb, const InputsPlan& plan, const std::function<void(Frame&)>& process);

// Pictures of files; a folder stands for its .jpg, .jpeg and .png by name.
class PictureFiles : public Inputs {
public:
    explicit PictureFiles(const InputsPlan& plan);
    bool next(Frame& frame) override;

private:
    struct Entry {
        std::string path;
        std::string error;  // "": nothing
    };

    void add(const std::string& path);
    void add_folder(const std::string& path);

    std::vector<Entry> entries_;
    std::size_t at_ = 0;
};

}  // namespace nnrun
