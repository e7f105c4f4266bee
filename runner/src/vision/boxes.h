#pragma once

#include <vector>

#include "vision/head.h"
#include "vision/objects.h"

namespace nnrun {

// One class at one place with a score that is high enough.
struct Candidate {
    int place = 0;
    int label = 0;
    double score = 0;
    Corners box{};  // in pixels of the net's input
};

// Best first; equal ones by place, then by class.
bool better(const Candidate& a, const Candidate& b);

// Intersection over union; 0 for 0 over 0.
double overlap(const Corners& a, const Corners& b);

// Whether one of `kept`, all of which are better, has the same class and overlaps it by more than `max_overlap`.
bool suppressed(const Candidate& candidate, const std::vector<Candidate>& kept, double max_overlap);

// Left, top, right and bottom at a place of a head that has bins, in pixels of the net's input.
Corners sides_at(const HeadPlan& head, const Maps& maps, const Place& place);

// The box predicted at a place, in pixels of the net's input; not clipped.
Corners box_at(const HeadPlan& head, const Maps& maps, const Place& place);

// Adds each class of each place whose score is high enough, without its box. Of a place only the best
// class counts, the lowest index of equal ones; of FCOS and of an end-to-end head every class does.
void find_candidates(const HeadPlan& head, const Maps& maps, std::vector<Candidate>& candidates);

}  // namespace nnrun
