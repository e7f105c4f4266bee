#pragma once

#include <array>
#include <vector>

#include "track/assignment.h"
#include "vision/objects.h"

namespace nnrun {

// A box that moves and changes at constant velocity: its centre x, centre y, width / height and
// height, with the noise of ByteTrack. Four filters of two numbers each, as in
// piyard/vision/bytetrack.py, whose operations these are one by one.
class Kalman {
public:
    using Four = std::array<double, 4>;

    // From its first detection.
    explicit Kalman(const Corners& box);

    // A frame later.
    void predict();
    // With a new measurement.
    void correct(const Corners& box);
    // Whether an object out of sight still grows is unknown.
    void steady_height() { speed_[3] = 0; }

    // The estimate.
    Corners box() const;

private:
    Four place_;
    Four speed_{};  // the change a frame
    Four place_variance_;
    Four covariance_{};
    Four speed_variance_;
};

// The figures of piyard/vision/schema.py.
struct BytetrackPlan {
    double high = 0.5;   // detections above it take part in the first association
    double low = 0.1;    // those above this in the second
    double start = 0.6;  // an unmatched one starts a track from here on
    double match = 0.8;  // the largest cost (1 - IoU x score) of the first association
    int buffer = 30;     // frames a lost track is remembered, at 30 frames a second
    double fps = 30;
};

// An object detected in one frame.
struct Detection {
    Corners box;  // see trackable()
    double score;
    int label;
};

// A detection with the id of its track.
struct TrackedObject {
    int id;  // from 1 up
    Corners box;
    double score;
    int label;
};

// Boxes have sides of this at least, and corners no farther from 0: a track's noise is in heights
// of its box, and a box of next to none makes it NaN.
constexpr double min_side = 0.01;
constexpr double max_coordinate = 1e7;
bool trackable(const Corners& box);

// ByteTrack (Zhang et al. 2022): every detection takes part, the doubtful ones only where a track
// needs them. The same tracks, to the last bit, as piyard/vision/bytetrack.py, which says why.
class ByteTracker {
public:
    explicit ByteTracker(const BytetrackPlan& plan);

    // The next frame's detections with the ids of their tracks, oldest track first; valid until the next call.
    const std::vector<TrackedObject>& step(const std::vector<Detection>& detections);
    // So many frames without detections, and so without tracks. What is not trackable is ignored.
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
        bool expired = false;  // lost for too long: the next frame may still match it, but it is never lost again

        int age() const { return last - first; }
    };

    void partition(const std::vector<Detection>& detections);
    void predict();
    // Matches tracks and detections; matched ones leave `detections`.
    void associate(const std::vector<Track*>& tracks, std::vector<const Detection*>& detections, double limit, bool fused);
    void compute_costs(const std::vector<Track*>& tracks, const std::vector<const Detection*>& detections, bool fused);
    void update(Track& track, const Detection& detection) const;
    void start_track(const Detection& detection);
    void sort_tracks();
    void move_to_lost(const Track& track);
    void drop_duplicates();
    static void drop(std::vector<Track>& tracks, const std::vector<bool>& which);
    void collect();

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
    std::vector<Track> started_;
    std::vector<Track> next_tracked_;
    std::vector<Track> next_lost_;
    std::vector<bool> duplicate_tracked_;  // its duplicate stays
    std::vector<bool> duplicate_lost_;
    Costs costs_;
    Assignment assignment_;
    std::vector<TrackedObject> output_;
};

}  // namespace nnrun
