#pragma once

#include <mat.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace nnrun {

// A picture among tokens: for each of its rows of embeddings an id that no vocabulary has. Ids follow from what the
// picture is, so that tokens which begin alike are remembered for the same picture only.
class PictureRows {
public:
    // Ids begin here; a vocabulary is smaller.
    static constexpr int first_id = 1 << 30;

    // `identity` hashes all that the rows depend on.
    PictureRows(std::uint64_t identity, std::size_t count);

    const std::vector<int>& ids() const { return ids_; }
    bool has(int id) const { return places_.count(id) != 0; }
    bool is_filled() const { return !rows_.empty(); }
    // As many rows as there are ids.
    void fill(ncnn::Mat rows) { rows_ = std::move(rows); }
    const float* row(int id) const { return rows_.row(places_.at(id)); }
    int width() const { return rows_.w; }

private:
    std::vector<int> ids_;
    std::map<int, int> places_;
    ncnn::Mat rows_;
};

}  // namespace nnrun
