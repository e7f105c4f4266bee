#pragma once

#include <vector>

#include "vision/placing.h"

namespace nnrun {

// The pixels of a picture whose centres lie in a box, along one direction, and which prototypes
// are around each centre. Buffers stay from box to box.
class MaskSpan {
public:
    // Between a prototype and the next one, with the next one's share; the last one has no next.
    struct Sample {
        int first;
        float share;
    };
    // Samples between the same two prototypes, from `begin` up to `end`.
    struct Cell {
        int first;
        int begin;
        int end;
    };

    // [from, to) in a picture `length` pixels long, which `axis` places in an input of `input`
    // pixels, over which lie so many prototypes.
    void place(double from, double to, int length, const Axis& axis, int input, int prototypes);

    int begin() const { return begin_; }
    int end() const { return end_; }
    bool empty() const { return begin_ == end_; }
    const std::vector<Sample>& samples() const { return samples_; }
    const std::vector<Cell>& cells() const { return cells_; }

    // The prototypes around all of the samples.
    int first() const { return samples_.front().first; }
    int last() const { return next(samples_.back().first); }
    int count() const { return last() - first() + 1; }
    int next(int prototype) const { return prototype + 1 < prototypes_ ? prototype + 1 : prototype; }

private:
    void add(const Sample& sample);

    int begin_ = 0;
    int end_ = 0;
    int prototypes_ = 0;
    std::vector<Sample> samples_;
    std::vector<Cell> cells_;
};

}  // namespace nnrun
