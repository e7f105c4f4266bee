#include "track/assignment.h"

#include <algorithm>
#include <limits>

namespace nnrun {

void Costs::resize(std::size_t rows, std::size_t columns) {
    rows_ = rows;
    columns_ = columns;
    values_.resize(rows * columns);
}

const std::vector<Pair>& Assignment::operator()(const Costs& costs, double limit) {
    begin(costs, limit);
    for (std::size_t seeker = 0; seeker < seekers_; ++seeker) find_partner(seeker);
    collect();
    return pairs_;
}

double Assignment::cost(std::size_t seeker, std::size_t partner) const {
    return std::min(turned_ ? costs_->at(partner, seeker) : costs_->at(seeker, partner), limit_);
}

void Assignment::begin(const Costs& costs, double limit) {
    costs_ = &costs;
    limit_ = limit;
    turned_ = costs.columns() < costs.rows();
    seekers_ = turned_ ? costs.columns() : costs.rows();
    partners_ = turned_ ? costs.rows() : costs.columns();
    seeker_price_.assign(seekers_, 0);
    partner_price_.assign(partners_, 0);
    partner_of_.assign(seekers_, none);
    seeker_of_.assign(partners_, none);
    before_.resize(partners_);
    open_.reserve(partners_);
    reached_.reserve(partners_);
}

void Assignment::find_partner(std::size_t seeker) {
    double length = 0;
    const std::size_t free = search(seeker, length);
    reprice(seeker, length);
    augment(seeker, free);
}

// Dijkstra over reduced costs, until a free partner is reached. Partners are visited
// from the last one on: of two ways of equal length, the reference takes the same one.
std::size_t Assignment::search(std::size_t seeker, double& length) {
    length_.assign(partners_, std::numeric_limits<double>::infinity());
    reached_.clear();
    open_.clear();
    for (std::size_t partner = partners_; partner-- > 0;) open_.push_back(partner);
    for (std::size_t from = seeker;;) {
        for (const std::size_t partner : open_) {
            const double way = length + cost(from, partner) - seeker_price_[from] - partner_price_[partner];
            if (way >= length_[partner]) continue;
            length_[partner] = way;
            before_[partner] = from;
        }
        const std::size_t at = nearest();
        const std::size_t partner = open_[at];
        length = length_[partner];
        open_[at] = open_.back();
        open_.pop_back();
        if (seeker_of_[partner] == none) return partner;
        reached_.push_back(partner);
        from = seeker_of_[partner];
    }
}

// Of equally near partners the last free one, else the first one.
std::size_t Assignment::nearest() const {
    std::size_t best = 0;
    for (std::size_t at = 1; at < open_.size(); ++at) {
        const double length = length_[open_[at]];
        const double shortest = length_[open_[best]];
        if (length < shortest || (length == shortest && seeker_of_[open_[at]] == none)) best = at;
    }
    return best;
}

// Keeps reduced costs at or above 0, and those of the pairs at 0.
void Assignment::reprice(std::size_t seeker, double length) {
    seeker_price_[seeker] += length;
    for (const std::size_t partner : reached_) {
        seeker_price_[seeker_of_[partner]] += length - length_[partner];
        partner_price_[partner] -= length - length_[partner];
    }
}

void Assignment::augment(std::size_t seeker, std::size_t free) {
    for (std::size_t partner = free;;) {
        const std::size_t taker = before_[partner];
        seeker_of_[partner] = taker;
        std::swap(partner_of_[taker], partner);
        if (taker == seeker) return;
    }
}

void Assignment::collect() {
    pairs_.clear();
    for (std::size_t row = 0; row < costs_->rows(); ++row) {
        const std::size_t column = turned_ ? seeker_of_[row] : partner_of_[row];
        if (column != none && costs_->at(row, column) < limit_) pairs_.push_back({row, column});
    }
}

}  // namespace nnrun
