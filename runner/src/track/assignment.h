#pragma once

#include <cstddef>
#include <vector>

namespace nnrun {

struct Pair {
    std::size_t row;
    std::size_t column;
};

// A matrix of doubles, row by row; it keeps its memory.
class Costs {
public:
    void resize(std::size_t rows, std::size_t columns);

    std::size_t rows() const { return rows_; }
    std::size_t columns() const { return columns_; }
    double& at(std::size_t row, std::size_t column) { return values_[row * columns_ + column]; }
    double at(std::size_t row, std::size_t column) const { return values_[row * columns_ + column]; }

private:
    std::size_t rows_ = 0;
    std::size_t columns_ = 0;
    std::vector<double> values_;
};

// Pairs of least total cost, none of which costs `limit` or more: the sum of their costs plus
// limit / 2 for each row and each column left alone is the least there is. As
// piyard/vision/overlap.py says, that is the rectangular assignment of the costs cut off at
// the limit; here by shortest augmenting paths (Jonker and Volgenant 1987, in the rectangular
// form of Crouse 2016, "On implementing 2D rectangular assignment algorithms").
class Assignment {
public:
    // By row; until the next call.
    const std::vector<Pair>& operator()(const Costs& costs, double limit);

private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    // The smaller side's members look for partners among those of the larger side.
    double cost(std::size_t seeker, std::size_t partner) const;
    void begin(const Costs& costs, double limit);
    void find_partner(std::size_t seeker);
    std::size_t search(std::size_t seeker, double& length);
    std::size_t nearest() const;
    void reprice(std::size_t seeker, double length);
    void augment(std::size_t seeker, std::size_t free);
    void collect();

    const Costs* costs_ = nullptr;
    double limit_ = 0;
    bool turned_ = false;  // seekers are columns
    std::size_t seekers_ = 0;
    std::size_t partners_ = 0;

    std::vector<double> seeker_price_;
    std::vector<double> partner_price_;
    std::vector<std::size_t> partner_of_;
    std::vector<std::size_t> seeker_of_;

    // Of one search: lengths of the shortest paths to the partners, and the seekers before them.
    std::vector<double> length_;
    std::vector<std::size_t> before_;
    std::vector<std::size_t> open_;     // partners not reached yet
    std::vector<std::size_t> reached_;  // partners whose seekers were reached, in order
    std::vector<Pair> pairs_;
};

}  // namespace nnrun
