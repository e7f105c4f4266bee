#include "track/bytetrack.h"

#include <algorithm>
#include <cmath>

namespace nnrun {
namespace {

// Standard deviations, in heights of the box.
constexpr double position = 1.0 / 20;
constexpr double velocity = 1.0 / 160;

Kalman::Four measured(const Corners& box) {
    const double width = box[2] - box[0];
    const double height = box[3] - box[1];
    return {box[0] + width / 2, box[1] + height / 2, width / height, height};
}

// Of lengths with that standard deviation, and of `proportions` between them.
Kalman::Four variance(double deviation, double proportions) {
    const double length = deviation * deviation;
    return {length, length, proportions * proportions, length};
}

}  // namespace

Kalman::Kalman(const Corners& box)
    : place_(measured(box)),
      place_variance_(variance(2 * position * place_[3], 1e-2)),
      speed_variance_(variance(10 * velocity * place_[3], 1e-5)) {}

void Kalman::predict() {
    const Four place_noise = variance(position * place_[3], 1e-2);
    const Four speed_noise = variance(velocity * place_[3], 1e-5);
    for (std::size_t i = 0; i < 4; ++i) {
        const double shared = covariance_[i] + speed_variance_[i];
        place_[i] += speed_[i];
        place_variance_[i] = place_variance_[i] + covariance_[i] + shared + place_noise[i];
        covariance_[i] = shared;
        speed_variance_[i] += speed_noise[i];
    }
}

void Kalman::correct(const Corners& box) {
    const Four measurement = measured(box);
    const Four noise = variance(position * place_[3], 1e-1);
    for (std::size_t i = 0; i < 4; ++i) {
        const double total = place_variance_[i] + noise[i];
        const double place_gain = place_variance_[i] / total;
        const double speed_gain = covariance_[i] / total;
        const double innovation = measurement[i] - place_[i];
        place_[i] += place_gain * innovation;
        speed_[i] += speed_gain * innovation;
        place_variance_[i] -= place_gain * place_variance_[i];
        speed_variance_[i] -= speed_gain * covariance_[i];
        covariance_[i] -= place_gain * covariance_[i];
    }
}

Corners Kalman::box() const {
    const double width = place_[2] * place_[3];
    const double left = place_[0] - width / 2;
    const double top = place_[1] - place_[3] / 2;
    return {left, top, left + width, top + place_[3]};
}

namespace {

// The largest costs of the associations that follow the first one.
constexpr double second = 0.5;
constexpr double unconfirmed_limit = 0.7;
// Two tracks that are nearer than this (1 - IoU) follow the same object.
constexpr double duplicate = 0.15;

// The pixel at x1 and y1 counts, as in the code of ByteTrack's authors.
double area(const Corners& box) { return (box[2] - box[0] + 1) * (box[3] - box[1] + 1); }

double iou(const Corners& a, const Corners& b) {
    const double width = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]) + 1, 0.0);
    const double height = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]) + 1, 0.0);
    const double shared = width * height;
    const double total = area(a) + area(b) - shared;
    return total > 0 ? shared / total : 0;
}

}  // namespace

bool trackable(const Corners& box) {
    const bool near = std::all_of(box.begin(), box.end(), [](double corner) { return std::abs(corner) <= max_coordinate; });
    return near && box[2] - box[0] >= min_side && box[3] - box[1] >= min_side;
}

ByteTracker::ByteTracker(const BytetrackPlan& plan) : plan_(plan), memory_(static_cast<int>(plan.fps / 30 * plan.buffer)) {}

const std::vector<TrackedObject>& ByteTracker::step(const std::vector<Detection>& detections) {
    ++frame_;
    partition(detections);
    predict();
    associate(pool_, high_, plan_.match, true);
    for (Track& track : tracked_)
        if (track.confirmed && track.last < frame_) unseen_.push_back(&track);
    associate(unseen_, low_, second, false);
    associate(unconfirmed_, high_, unconfirmed_limit, true);
    for (const Detection* detection : high_)
        if (detection->score >= plan_.start) start_track(*detection);
    sort_tracks();
    drop_duplicates();
    collect();
    return output_;
}

void ByteTracker::skip(int frames) {
    int left = frames;
    for (; left > 0 && !(tracked_.empty() && lost_.empty()); --left) step({});
    frame_ += left;
}

void ByteTracker::partition(const std::vector<Detection>& detections) {
    high_.clear();
    low_.clear();
    pool_.clear();
    unconfirmed_.clear();
    unseen_.clear();
    for (const Detection& detection : detections) {
        if (!trackable(detection.box)) continue;
        if (detection.score > plan_.high)
            high_.push_back(&detection);
        else if (detection.score > plan_.low && detection.score < plan_.high)
            low_.push_back(&detection);
    }
    for (Track& track : tracked_) (track.confirmed ? pool_ : unconfirmed_).push_back(&track);
    for (Track& track : lost_) pool_.push_back(&track);
}

void ByteTracker::predict() {
    for (Track& track : lost_) track.state.steady_height();
    for (Track* track : pool_) track->state.predict();
}

void ByteTracker::associate(const std::vector<Track*>& tracks, std::vector<const Detection*>& detections, double limit, bool fused) {
    compute_costs(tracks, detections, fused);
    for (const Pair& pair : assignment_(costs_, limit)) {
        update(*tracks[pair.row], *detections[pair.column]);
        detections[pair.column] = nullptr;
    }
    detections.erase(std::remove(detections.begin(), detections.end(), nullptr), detections.end());
}

void ByteTracker::compute_costs(const std::vector<Track*>& tracks, const std::vector<const Detection*>& detections, bool fused) {
    costs_.resize(tracks.size(), detections.size());
    for (std::size_t row = 0; row < tracks.size(); ++row) {
        const Corners box = tracks[row]->state.box();
        for (std::size_t column = 0; column < detections.size(); ++column) {
            const Detection& detection = *detections[column];
            const double shared = tracks[row]->label == detection.label ? iou(box, detection.box) : 0;
            costs_.at(row, column) = 1 - (fused ? shared * detection.score : shared);
        }
    }
}

void ByteTracker::update(Track& track, const Detection& detection) const {
    track.state.correct(detection.box);
    track.score = detection.score;
    track.last = frame_;
    track.confirmed = true;
}

// Detections of the first frame are confirmed at once.
void ByteTracker::start_track(const Detection& detection) {
    started_.push_back({++ids_, Kalman(detection.box), detection.score, detection.label, frame_, frame_, frame_ == 1, false});
}

// What is tracked after this frame, what is lost, and what is dropped: a track that was never
// confirmed ends with the first frame in which it is missed.
void ByteTracker::sort_tracks() {
    next_tracked_.clear();
    next_lost_.clear();
    for (const Track& track : tracked_)
        if (track.last == frame_) next_tracked_.push_back(track);
    next_tracked_.insert(next_tracked_.end(), started_.begin(), started_.end());
    started_.clear();
    for (const Track& track : lost_) {
        if (track.last == frame_)
            next_tracked_.push_back(track);
        else
            move_to_lost(track);
    }
    for (const Track& track : tracked_)
        if (track.confirmed && track.last < frame_) move_to_lost(track);
    tracked_.swap(next_tracked_);
    lost_.swap(next_lost_);
}

void ByteTracker::move_to_lost(const Track& track) {
    if (track.expired) return;
    next_lost_.push_back(track);
    next_lost_.back().expired = frame_ - track.last > std::max(memory_, 1);
}

// Of a tracked and a lost track of the same object the older one stays.
void ByteTracker::drop_duplicates() {
    duplicate_tracked_.assign(tracked_.size(), false);
    duplicate_lost_.assign(lost_.size(), false);
    for (std::size_t i = 0; i < tracked_.size(); ++i) {
        const Corners box = tracked_[i].state.box();
        for (std::size_t j = 0; j < lost_.size(); ++j) {
            if (tracked_[i].label != lost_[j].label || 1 - iou(box, lost_[j].state.box()) >= duplicate) continue;
            if (tracked_[i].age() > lost_[j].age())
                duplicate_lost_[j] = true;
            else
                duplicate_tracked_[i] = true;
        }
    }
    drop(tracked_, duplicate_tracked_);
    drop(lost_, duplicate_lost_);
}

void ByteTracker::drop(std::vector<Track>& tracks, const std::vector<bool>& which) {
    std::size_t size = 0;
    for (std::size_t at = 0; at < tracks.size(); ++at)
        if (!which[at]) tracks[size++] = tracks[at];
    tracks.erase(tracks.begin() + static_cast<std::ptrdiff_t>(size), tracks.end());
}

void ByteTracker::collect() {
    output_.clear();
    for (const Track& track : tracked_)
        if (track.confirmed) output_.push_back({track.id, track.state.box(), track.score, track.label});
}

}  // namespace nnrun
