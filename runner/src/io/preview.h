#pragma once

#include <memory>
#include <string>

#include "io/image.h"

namespace nnrun {

// What the preview's page says beside the picture.
struct PreviewState {
    long frames = 0;
    long dropped = 0;
    std::string seen;  // for people: "2 person, 1 dog"
};

// Shows pictures in a browser: a small web server on this machine's loopback alone, with a page at
// /, the pictures as MJPEG at /stream and what is said of them at /state. It answers requests that
// name the loopback only, so that no other site's name can be led to it. A port that cannot be
// had is a Failure with Exit::output.
class Preview {
public:
    // Port 0: any that is free.
    Preview(int port, const std::string& title);
    ~Preview();
    Preview(const Preview&) = delete;
    Preview& operator=(const Preview&) = delete;

    int port() const { return port_; }
    // Whether anybody looks at it now.
    bool is_watched() const;
    // The picture may be left out where nobody looks: its state counts all the same.
    void show(const Image* image, const PreviewState& state);

private:
    class Server;

    std::shared_ptr<Server> server_;
    int port_ = 0;
};

}  // namespace nnrun
