#pragma once

#include <array>
#include <vector>

#include "track/assignment.h"
#include "vision/objects.h"

namespace nnrun {

// A box that moves and changes at constant velocity: its centre x, centre y, width / height and
// height, with the noise of ByteTrack. Four filters of two numbers each, as in
// piyard/tracking/kalman.py, whose operations these are one by one.
class Kalman {
public:
    using Four = std::array<double, 4>;

    // Seen for the first time.
    explicit Kalman(const Corners& box);

    // A frame later.
    void predict();
    // The box was seen.
    void correct(const Corners& box);
    // Of an object out of sight nobody knows whether it still grows.
    void steady_height() { speed_[3] = 0; }

    // Where the object is believed to be.
    Corners box() const;

private:
    Four place_;
    Four speed_{};  // the change a frame
    Four place_variance_;
    Four covariance_{};
    Four speed_variance_;
};

// The figures of piyard/model/tracker.py.
struct BytetrackPlan {
    double high = 0.5;   // detections above it take part in the first association
    double low = 0.1;    // those above this one in the second
    double begin = 0.6;  // one that nothing explains begins a track from here on
    double match = 0.8;  // the largest cost (1 - IoU x score) of the first association
    int buffer = 30;     // frames a lost track is remembered, at 30 frames a second
    double fps = 30;
};

// An object found in one frame.
struct Detection {
    Corners box;  // see followable()
    double score;
    int label;
};

// An object in one frame, and which one it is.
struct Tracked {
    int id;  // from 1 up
    Corners box;
    double score;
    int label;
};

// Boxes have sides of this at least, and corners no farther from 0: a track's noise is in heights
// of its box, and a box of next to none makes it NaN.
constexpr double least_side = 0.01;
constexpr double farthest_corner = 1e7;
bool followable(const Corners& box);

// ByteTrack (Zhang et al. 2022): every detection takes part, the doubtful ones only where a track
// needs them. The same tracks, to the last bit, as piyard/tracking/bytetrack.py, which says why.
class ByteTracker {
public:
    explicit ByteTracker(const BytetrackPlan& plan);

    // What the next frame's detections are, by the order in which the tracks came up; until the
    // next call.
    const std::vector<Tracked>& step(const std::vector<Detection>& found);
    // So many frames without detections, and so without tracks. What is not followable is no detection.
    void skip(int frames);

private:
    struct Track {
        int id;
        Kalman state;
        double score;
        int label;
        int first;  // the frame it was seen in first
        int last;   // and last
        bool confirmed;
        bool expired = false;  // lost for too long: it may be found in the next frame still, but is never lost again

        int age() const { return last - first; }
    };

    void sort_out(const std::vector<Detection>& found);
    void predict();
    // Each track follows the detection that suits it; those taken leave `found`.
    void associate(const std::vector<Track*>& tracks, std::vector<const Detection*>& found, double limit, bool fused);
    void measure(const std::vector<Track*>& tracks, const std::vector<const Detection*>& found, bool fused);
    void follow(Track& track, const Detection& detection) const;
    void begin(const Detection& detection);
    void sort();
    void lose(const Track& track);
    void drop_duplicates();
    static void drop(std::vector<Track>& tracks, const std::vector<bool>& which);
    void tell();

    BytetrackPlan plan_;
    int memory_;
    int frame_ = 0;
    int ids_ = 0;
    std::vector<Track> tracked_;
    std::vector<Track> lost_;

    std::vector<const Detection*> high_;
    std::vector<const Detection*> low_;
    std::vector<Track*> pool_;  // confirmed and lost ones
    std::vector<Track*> unconfirmed_;
    std::vector<Track*> unseen_;
    std::vector<Track> begun_;
    std::vector<Track> next_tracked_;
    std::vector<Track> next_lost_;
    std::vector<bool> spare_tracked_;  // the other one of a pair of duplicates stays
    std::vector<bool> spare_lost_;
    Costs costs_;
    Assignment assignment_;
    std::vector<Tracked> told_;
};

}  // namespace nnrun
