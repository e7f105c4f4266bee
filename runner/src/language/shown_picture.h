#pragma once

#include <string>
#include <vector>

#include "io/image.h"
#include "language/picture_rows.h"
#include "language/sampler.h"
#include "net/model.h"
#include "vision/preprocess.h"

namespace nnrun {

// What a model is shown, and what encodes it.
struct PicturePlan {
    std::string file;
    Request net;
    Preprocess steps;
    int token = -1;  // stands for each row in a prompt; -1: the tokenizer's
};

// What encoding took, in milliseconds.
struct PictureTimes {
    double decode = 0, pre = 0, load = 0, infer = 0;
    double all() const { return decode + pre + load + infer; }
};

// A picture that a model is asked about. It is read at once and encoded when its rows are needed, by a net that
// is in memory meanwhile only.
class ShownPicture {
public:
    // A file that is no whole picture is a Failure with Exit::input; a net that cannot be loaded one with Exit::model.
    ShownPicture(const PicturePlan& plan, int token, std::size_t rows);

    // The same prompt with the picture's own ids. One in which its token does not stand once for each row is a
    // Failure with Exit::input.
    Tokens place(Tokens prompt) const;
    const PictureRows& rows() const { return rows_; }
    // Once; rows of another width than the embeddings are a Failure with Exit::model.
    const PictureTimes& encode(int width);

private:
    ncnn::Mat infer(int width);

    PicturePlan plan_;
    int token_;
    Image image_;
    PictureTimes times_;
    PictureRows rows_;
};

}  // namespace nnrun
