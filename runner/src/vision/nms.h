#pragma once

#include <vector>

#include "vision/placing.h"

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

}  // namespace nnrun
