#pragma once

#include <vector>

#include "vision/head.h"
#include "vision/objects.h"

namespace nnrun {

// One class at one place, sure enough to be told.
struct Candidate {
    int place = 0;
    int label = 0;
    double score = 0;
    Corners box{};  // in pixels of the net's input
};

// Best first; equal ones by place, then by class.
bool better(const Candidate& one, const Candidate& other);

// Intersection over union; 0 for 0 over 0.
double overlap(const Corners& one, const Corners& other);

// Whether one of `kept`, all of which are better, explains it: same class, overlap above `most`.
bool suppressed(const Candidate& one, const std::vector<Candidate>& kept, double most);

// The box that a place tells, in pixels of the net's input; not clipped.
Corners box_at(const HeadPlan& head, const Maps& maps, const Place& place);

// Adds each class of each place that is sure enough, without its box. Of a place only the best
// class counts, the lowest index of equal ones; FCOS tells each.
void find_candidates(const HeadPlan& head, const Maps& maps, std::vector<Candidate>& found);

}  // namespace nnrun
