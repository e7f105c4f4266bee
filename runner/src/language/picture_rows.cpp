#include "language/picture_rows.h"

#include "core/hash.h"

namespace nnrun {

PictureRows::PictureRows(std::uint64_t identity, std::size_t count) {
    Hash hash;
    hash.add(&identity, sizeof identity);
    for (std::size_t i = 0; i < count; ++i) {
        hash.add(&i, sizeof i);
        int id = first_id | static_cast<int>(hash.value() >> 34);
        while (has(id)) id = first_id | ((id + 1) & (first_id - 1));
        places_.emplace(id, static_cast<int>(i));
        ids_.push_back(id);
    }
}

}  // namespace nnrun
