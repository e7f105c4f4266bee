// Geometry, levels, maps and suppression: what needs neither a net nor a picture. Exit code 0 means
// that all of it holds.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/args.h"
#include "core/failure.h"
#include "expected.h"
#include "io/image.h"
#include "net/tensor.h"
#include "verbs/common.h"
#include "vision/boxes.h"
#include "vision/feed.h"
#include "vision/head.h"
#include "vision/objects.h"
#include "vision/resample.h"

namespace {

using nnrun::Candidate;
using nnrun::Corners;
using nnrun::HeadPlan;
using nnrun::Shape;

bool near(double a, double b) { return std::fabs(a - b) < 1e-9; }

nnrun::Image counted(int width, int height) {
    nnrun::Image image(width, height);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 37 % 256);
    return image;
}

void a_box_comes_back_within_the_picture() {
    const nnrun::Placing placing{100, 50, {100, 200, 10, 0}, {50, 100, 20, 0}};
    const Corners back = placing.back({10, 20, 110, 70});
    EXPECT(near(back[0], 0) && near(back[1], 0) && near(back[2], 50) && near(back[3], 25));
    const double endless = std::numeric_limits<double>::infinity();
    const Corners all = placing.back({-endless, -endless, endless, endless});
    EXPECT(near(all[0], 0) && near(all[1], 0) && near(all[2], 100) && near(all[3], 50));
    EXPECT(near(placing.x.into(placing.x.back(33)), 33));
}

void overlap_is_that_of_two_rectangles() {
    EXPECT(near(nnrun::overlap({0, 0, 2, 2}, {1, 0, 3, 2}), 1.0 / 3));
    EXPECT(near(nnrun::overlap({0, 0, 2, 2}, {0, 0, 2, 2}), 1));
    EXPECT(nnrun::overlap({0, 0, 2, 2}, {2, 0, 4, 2}) == 0 && nnrun::overlap({0, 0, 0, 0}, {0, 0, 0, 0}) == 0);
    EXPECT(nnrun::overlap({2, 2, 0, 0}, {0, 0, 2, 2}) == 0);
}

void only_a_class_suppresses_itself() {
    const std::vector<Candidate> kept{{0, 1, 0.9, {0, 0, 2, 2}}};
    const Candidate near_it{1, 1, 0.8, {1, 0, 3, 2}};
    EXPECT(nnrun::suppressed(near_it, kept, 0.3) && !nnrun::suppressed(near_it, kept, 0.34));
    EXPECT(!nnrun::suppressed({1, 2, 0.8, {0, 0, 2, 2}}, kept, 0.3) && !nnrun::suppressed(near_it, {}, 0));
    EXPECT(nnrun::better({5, 0, 0.9, {}}, {1, 0, 0.8, {}}) && nnrun::better({1, 0, 0.8, {}}, {5, 0, 0.8, {}}));
    EXPECT(nnrun::better({1, 0, 0.8, {}}, {1, 3, 0.8, {}}) && !nnrun::better({1, 0, 0.8, {}}, {1, 0, 0.8, {}}));
}

// Of odd figures some are no fused multiply-add: then the table is used, with the same bits.
void levels_are_the_tables_whatever_their_number() {
    const std::vector<std::vector<float>> figures{{0, 1}, {123.675f, 0.0171247538f}, {300.7f, -0.3f}, {1e-3f, 777.7f}, {-3.1f, 1e-9f}};
    for (const auto& figure : figures) {
        const std::vector<float> mean(3, figure[0]), norm(3, figure[1]);
        const nnrun::Image image = counted(259, 1);
        for (const bool bgr : {false, true}) {
            const nnrun::Levels levels(bgr, mean, norm);
            ncnn::Mat input(259, 1, 3);
            levels.put(image.row(0), 259, input, 0, 0);
            for (int plane = 0; plane < 3; ++plane)
                for (int x = 0; x < 259; ++x) {
                    const std::uint8_t* const pixel = image.row(0) + 3 * x;
                    const float wanted = levels.value({pixel[0], pixel[1], pixel[2]}, static_cast<std::size_t>(plane));
                    EXPECT(std::memcmp(input.channel(plane).row(0) + x, &wanted, sizeof wanted) == 0);
                    const float exact = static_cast<float>(static_cast<double>(pixel[bgr ? 2 - plane : plane]) * norm[0] +
                                                           static_cast<double>(-mean[0] * norm[0]));
                    EXPECT(wanted == exact);
                }
        }
    }
}

void a_window_of_the_picture_itself_is_the_picture() {
    const nnrun::Image image = counted(37, 5);
    nnrun::Window window;
    window.look(image, {0, 0, 37, 5}, 5, 37);
    for (int y = 0; y < 5; ++y) EXPECT(std::memcmp(window.row(y), image.row(y), image.stride()) == 0);
    // Half a pixel to the right: between two neighbours, and the border beyond the last one.
    window.look(image, {0.5, 0, 37, 5}, 5, 37, std::array<std::uint8_t, 3>{0, 0, 0});
    const std::uint8_t* const row = window.row(0);
    for (int i = 0; i < 3 * 37; ++i) {
        const int right = i < 3 * 36 ? image.pixels[static_cast<std::size_t>(i + 3)] : 0;
        EXPECT(row[i] == (image.pixels[static_cast<std::size_t>(i)] + right + 1) / 2);
    }
    window.look(image, {1000, 1000, 37, 5}, 5, 37, std::array<std::uint8_t, 3>{1, 2, 3});
    EXPECT(window.row(4)[0] == 1 && window.row(4)[3 * 36 + 2] == 3);
}

std::string refusal(const HeadPlan& head, const Shape& input, const std::vector<Shape>& outputs) {
    try {
        const nnrun::Maps maps(head, input, outputs);
    } catch (const nnrun::Failure& failure) {
        return failure.code == nnrun::Exit::model ? failure.what() : "another code";
    }
    return "";
}

void maps_know_their_places() {
    HeadPlan head;
    head.kind = "yolov8";
    head.strides = {8, 16};
    const std::vector<Shape> joint{{66, 3, 5}, {66, 2, 3}};
    EXPECT(refusal(head, {3, 20, 40}, joint).empty());
    EXPECT(refusal(head, {3, 20, 40}, {{64, 3, 5}, {2, 3, 5}, {64, 2, 3}, {2, 2, 3}}).empty());
    EXPECT(!refusal(head, {3, 20, 40}, {{66, 3, 5}}).empty() && !refusal(head, {3, 20, 40}, {}).empty());
    EXPECT(refusal(head, {3, 20, 48}, joint).find("3x6 at stride 8") != std::string::npos);
    EXPECT(refusal(head, {3, 20, 40}, {{64, 3, 5}, {64, 2, 3}}).find("no class") != std::string::npos);
    const nnrun::Maps maps(head, {3, 20, 40}, joint);
    EXPECT(maps.layout().box.size() == 64 && maps.layout().classes.begin == 64 && maps.layout().classes.size() == 2);
    for (int i = 0; i < 21; ++i) {
        const nnrun::Place place = maps.place(i);
        const int columns = place.level == 0 ? 5 : 3;
        EXPECT(place.index == i && place.level == (i < 15 ? 0 : 1) && place.stride == (i < 15 ? 8 : 16));
        EXPECT(place.row * columns + place.column == (i < 15 ? i : i - 15) && place.column < columns);
    }
}

void values_that_are_not_finite_are_seen() {
    ncnn::Mat blob(7, 5, 3);
    nnrun::fill_splitmix(blob, 1);
    EXPECT(nnrun::all_finite(blob));
    blob.channel(1).row(2)[3] = std::numeric_limits<float>::max();
    EXPECT(nnrun::all_finite(blob));
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::nanf("")}) {
        ncnn::Mat spoilt = blob.clone();
        spoilt.channel(2).row(4)[6] = bad;
        EXPECT(!nnrun::all_finite(spoilt));
    }
}

void a_prefix_leads_to_a_second_net() {
    const std::vector<nnrun::Flag> own{{"--param", "FILE", ""}, {"--bins", "N", ""}};
    std::vector<nnrun::Flag> flags = own;
    for (const nnrun::Flag& flag : nnrun::with_prefix(own, "detector-")) flags.push_back(flag);
    const nnrun::Args args({"v", "", "", flags}, {"--param", "a", "--detector-param", "b", "--detector-bins", "0"});
    const nnrun::Args other = args.under("detector-");
    EXPECT(args.text("--param") == "a" && other.text("--param") == "b" && !args.has("--bins") && other.has("--bins"));
    try {
        other.integer("--bins", 1, 9, 1);
        EXPECT(false);
    } catch (const nnrun::Failure& failure) {
        EXPECT(std::string(failure.what()).find("--detector-bins") == 0);
    }
}

}  // namespace

int main() {
    a_box_comes_back_within_the_picture();
    overlap_is_that_of_two_rectangles();
    only_a_class_suppresses_itself();
    levels_are_the_tables_whatever_their_number();
    a_window_of_the_picture_itself_is_the_picture();
    maps_know_their_places();
    values_that_are_not_finite_are_seen();
    a_prefix_leads_to_a_second_net();
    return failures == 0 ? 0 : 1;
}
