#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/args.h"
#include "core/json.h"

namespace nnrun {

// From a picture to the net's input, as data; Feed does it.
struct Preprocess {
    std::string fit = "crop";                        // crop, letterbox, stretch or box
    std::string resample = "bilinear";               // linear (all but crop), bilinear, bicubic, lanczos or nearest
    int shorter_side = 0;                            // crop: 0: no resize
    std::vector<int> crop;                           // {height, width}, or empty: no crop
    std::vector<int> size;                           // all but crop: {height, width} of the input
    int longest = 0;                                 // stretch: the long side is resized to it first; 0: it is not
    std::array<std::uint8_t, 3> pad{114, 114, 114};  // letterbox: R, G, B of the rest
    bool centred = true;                             // letterbox: else at the top left
    double padding = 1.25;                           // box: what is shown, in sides of the object
    std::string order = "rgb";                       // of the input's planes: rgb, bgr, gray, rgba or bgra
    std::vector<float> mean{0, 0, 0};
    std::vector<float> norm{1, 1, 1};

    std::size_t channels() const { return mean.size(); }
    // Of the net's input, where it is the same for every picture; else empty.
    std::vector<int> shape() const;
    json::Object json() const;
};

std::vector<Flag> preprocess_flags();
Preprocess read_preprocess(const Args& args);
// The same where the net's input must have one shape, whatever the picture's.
Preprocess read_fixed_preprocess(const Args& args);

}  // namespace nnrun
