// From pictures to the net's input, and from its output to objects.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include "core/failure.h"
#include "io/image.h"
#include "vision/boxes.h"
#include "vision/feed.h"
#include "vision/head.h"
#include "vision/mask.h"
#include "vision/objects.h"
#include "vision/pose.h"
#include "vision/resample.h"

namespace {

std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
    ++allocations;
    if (void* const memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

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

nnrun::Mask mask_of(const std::string& columns, int height) {
    nnrun::Mask mask{static_cast<int>(columns.size()) / height, height, {}};
    nnrun::MaskPen pen(mask);
    for (const char pixel : columns) pen.put(pixel == '#', 1);
    return mask;
}

TEST_CASE("a box comes back within the picture") {
    const nnrun::ImageTransform transform{100, 50, {100, 200, 10, 0}, {50, 100, 20, 0}};
    const Corners back = transform.to_picture({10, 20, 110, 70});
    CHECK(near(back[0], 0));
    CHECK(near(back[1], 0));
    CHECK(near(back[2], 50));
    CHECK(near(back[3], 25));
    const double endless = std::numeric_limits<double>::infinity();
    const Corners all = transform.to_picture({-endless, -endless, endless, endless});
    CHECK(near(all[0], 0));
    CHECK(near(all[1], 0));
    CHECK(near(all[2], 100));
    CHECK(near(all[3], 50));
    CHECK(near(transform.x.to_input(transform.x.to_picture(33)), 33));
}

TEST_CASE("overlap is that of two rectangles") {
    CHECK(near(nnrun::overlap({0, 0, 2, 2}, {1, 0, 3, 2}), 1.0 / 3));
    CHECK(near(nnrun::overlap({0, 0, 2, 2}, {0, 0, 2, 2}), 1));
    CHECK(nnrun::overlap({0, 0, 2, 2}, {2, 0, 4, 2}) == 0);
    CHECK(nnrun::overlap({0, 0, 0, 0}, {0, 0, 0, 0}) == 0);
    CHECK(nnrun::overlap({2, 2, 0, 0}, {0, 0, 2, 2}) == 0);
}

TEST_CASE("only a class suppresses itself") {
    const std::vector<Candidate> kept{{0, 1, 0.9, {0, 0, 2, 2}}};
    const Candidate near_it{1, 1, 0.8, {1, 0, 3, 2}};
    CHECK(nnrun::suppressed(near_it, kept, 0.3));
    CHECK(!nnrun::suppressed(near_it, kept, 0.34));
    CHECK(!nnrun::suppressed({1, 2, 0.8, {0, 0, 2, 2}}, kept, 0.3));
    CHECK(!nnrun::suppressed(near_it, {}, 0));
    CHECK(nnrun::better({5, 0, 0.9, {}}, {1, 0, 0.8, {}}));
    CHECK(nnrun::better({1, 0, 0.8, {}}, {5, 0, 0.8, {}}));
    CHECK(nnrun::better({1, 0, 0.8, {}}, {1, 3, 0.8, {}}));
    CHECK(!nnrun::better({1, 0, 0.8, {}}, {1, 0, 0.8, {}}));
}

// Of odd figures some are no fused multiply-add: then the table is used, with the same bits.
TEST_CASE("levels are those of the table, whatever their number") {
    const std::vector<std::vector<float>> figures{{0, 1}, {123.675f, 0.0171247538f}, {300.7f, -0.3f}, {1e-3f, 777.7f}, {-3.1f, 1e-9f}};
    for (const auto& figure : figures) {
        const std::vector<float> mean(3, figure[0]), norm(3, figure[1]);
        const nnrun::Image image = counted(259, 1);
        for (const char* const order : {"rgb", "bgr"}) {
            const nnrun::Normalizer normalizer(order, mean, norm);
            ncnn::Mat input(259, 1, 3);
            normalizer.put(image.row(0), 259, input, 0, 0);
            for (int plane = 0; plane < 3; ++plane)
                for (int x = 0; x < 259; ++x) {
                    const std::uint8_t* const pixel = image.row(0) + 3 * x;
                    const float value = normalizer.value({pixel[0], pixel[1], pixel[2]}, static_cast<std::size_t>(plane));
                    CHECK(std::memcmp(input.channel(plane).row(0) + x, &value, sizeof value) == 0);
                    const float exact = static_cast<float>(static_cast<double>(pixel[order[0] == 'b' ? 2 - plane : plane]) * norm[0] +
                                                           static_cast<double>(-mean[0] * norm[0]));
                    CHECK(value == exact);
                }
        }
    }
}

TEST_CASE("a window of the picture itself is the picture") {
    const nnrun::Image image = counted(37, 5);
    nnrun::RegionSampler sampler;
    sampler.start(image, {0, 0, 37, 5}, 5, 37);
    for (int y = 0; y < 5; ++y) CHECK(std::memcmp(sampler.row(y), image.row(y), image.stride()) == 0);
    // Half a pixel to the right: between two neighbours, and the border beyond the last one.
    sampler.start(image, {0.5, 0, 37, 5}, 5, 37, std::array<std::uint8_t, 3>{0, 0, 0});
    const std::uint8_t* const row = sampler.row(0);
    for (int i = 0; i < 3 * 37; ++i) {
        const int right = i < 3 * 36 ? image.pixels[static_cast<std::size_t>(i + 3)] : 0;
        CHECK(row[i] == (image.pixels[static_cast<std::size_t>(i)] + right + 1) / 2);
    }
    sampler.start(image, {1000, 1000, 37, 5}, 5, 37, std::array<std::uint8_t, 3>{1, 2, 3});
    CHECK(sampler.row(4)[0] == 1);
    CHECK(sampler.row(4)[3 * 36 + 2] == 3);
}

std::string refusal(const HeadPlan& head, const Shape& input, const std::vector<Shape>& outputs) {
    try {
        const nnrun::Maps maps(head, input, outputs);
    } catch (const nnrun::Failure& failure) {
        return failure.code == nnrun::Exit::model ? failure.what() : "another code";
    }
    return "";
}

TEST_CASE("maps know their places") {
    HeadPlan head;
    head.kind = "yolov8";
    head.strides = {8, 16};
    const std::vector<Shape> joint{{66, 3, 5}, {66, 2, 3}};
    CHECK(refusal(head, {3, 20, 40}, joint).empty());
    CHECK(refusal(head, {3, 20, 40}, {{64, 3, 5}, {2, 3, 5}, {64, 2, 3}, {2, 2, 3}}).empty());
    CHECK(!refusal(head, {3, 20, 40}, {{66, 3, 5}}).empty());
    CHECK(!refusal(head, {3, 20, 40}, {}).empty());
    CHECK(refusal(head, {3, 20, 48}, joint).find("3x6 at stride 8") != std::string::npos);
    CHECK(refusal(head, {3, 20, 40}, {{64, 3, 5}, {64, 2, 3}}).find("no class") != std::string::npos);
    const nnrun::Maps maps(head, {3, 20, 40}, joint);
    CHECK(maps.layout().box.size() == 64);
    CHECK(maps.layout().classes.begin == 64);
    CHECK(maps.layout().classes.size() == 2);
    for (int i = 0; i < 21; ++i) {
        const nnrun::Place place = maps.place(i);
        const int columns = place.level == 0 ? 5 : 3;
        CHECK(place.index == i);
        CHECK(place.level == (i < 15 ? 0 : 1));
        CHECK(place.stride == (i < 15 ? 8 : 16));
        CHECK(place.row * columns + place.column == (i < 15 ? i : i - 15));
        CHECK(place.column < columns);
    }
}

// The strings are those of pycocotools.mask.encode.
TEST_CASE("runs are COCO's") {
    CHECK((mask_of("....", 2).runs == std::vector<std::uint32_t>{4}));
    CHECK((mask_of("####", 2).runs == std::vector<std::uint32_t>{0, 4}));
    CHECK((mask_of(".##.#.", 3).runs == std::vector<std::uint32_t>{1, 2, 1, 1, 1}));
    CHECK(nnrun::area(mask_of(".##.#.", 3)) == 3);
    CHECK(nnrun::area(mask_of("...", 3)) == 0);
    CHECK(nnrun::compressed(mask_of("....", 2)) == "4");
    CHECK(nnrun::compressed(mask_of("####", 2)) == "04");
    nnrun::Mask vast{10000, 10000, {}};
    nnrun::MaskPen pen(vast);
    pen.put(false, 100'000'000);
    CHECK(nnrun::compressed(vast) == "PXh[o2");
}

// Values of both signs, which are the same each time.
ncnn::Mat made_up(int channels, int rows, int columns) {
    ncnn::Mat blob(columns, rows, channels);
    for (int c = 0; c < channels; ++c)
        for (int i = 0; i < rows * columns; ++i) blob.channel(c)[i] = static_cast<float>((i * 7 + c * 5) % 11 - 5);
    return blob;
}

// Two prototypes of 2 x 2 over an input of 4 x 4, which shows a picture of 8 x 8.
nnrun::Mask decoded(const std::vector<float>& coefficients, const nnrun::Box& box) {
    ncnn::Mat prototypes(2, 2, 2);
    const float values[2][4] = {{1, -1, 1, -1}, {1, 1, -1, -1}};
    for (int c = 0; c < 2; ++c)
        for (int i = 0; i < 4; ++i) prototypes.channel(c)[i] = values[c][i];
    const nnrun::ImageTransform transform{8, 8, {8, 4, 0, 0}, {8, 4, 0, 0}};
    nnrun::MaskDecoder decode(4, 4);
    nnrun::Mask mask;
    decode(prototypes, coefficients, transform, box, mask);
    return mask;
}

TEST_CASE("masks are where the sum is positive") {
    CHECK((decoded({1, 0}, {0, 0, 8, 8}).runs == std::vector<std::uint32_t>{0, 32, 32}));
    CHECK((decoded({0, 1}, {0, 0, 2, 8}).runs == std::vector<std::uint32_t>{0, 4, 4, 4, 52}));
    CHECK((decoded({0, -1}, {7, 0, 8, 8}).runs == std::vector<std::uint32_t>{60, 4}));
    CHECK((decoded({0, 0}, {0, 0, 8, 8}).runs == std::vector<std::uint32_t>{64}));
    // The number of a pixel decides whether it is in the box.
    CHECK((decoded({1, 0}, {1.5f, 2.5f, 2.5f, 4.6f}).runs == std::vector<std::uint32_t>{19, 2, 43}));
    CHECK((decoded({1, 0}, {2, 0, 3, 8}).runs == std::vector<std::uint32_t>{16, 8, 40}));
    CHECK((decoded({1, 0}, {1.1f, 0, 1.9f, 8}).runs == std::vector<std::uint32_t>{64}));
    CHECK((decoded({1, 0}, {0, 1.1f, 8, 1.9f}).runs == std::vector<std::uint32_t>{64}));
}

const nnrun::ImageTransform as_it_is{100, 100, {}, {}};

template <typename Act>
std::size_t allocations_of(const Act& act) {
    const std::size_t before = allocations;
    act();
    return allocations - before;
}

TEST_CASE("the same picture again takes no memory") {
    const ncnn::Mat maps = made_up(17, 12, 9);
    const ncnn::Mat prototypes = made_up(3, 8, 8);
    const nnrun::ImageTransform transform{64, 64, {64, 32, 0, 0}, {64, 32, 0, 0}};
    const std::vector<float> coefficients{1, -2, 3};
    nnrun::MaskDecoder decode(32, 32);
    nnrun::ObjectPool pool;
    std::vector<nnrun::Object> objects;
    const auto picture = [&] {
        pool.recycle(objects);
        for (const float size : {64.0f, 40.0f, 9.0f}) {
            objects.push_back(pool.acquire());
            decode(prototypes, coefficients, transform, {0, 0, size, size}, objects.back().mask);
            nnrun::read_heatmaps(maps, 48, 36, transform, objects.back().keypoints);
        }
    };
    CHECK(allocations_of(picture) > 6);
    const std::vector<std::uint32_t> runs = objects[0].mask.runs;
    CHECK(allocations_of(picture) <= objects.size());  // the list of spare ones grows
    CHECK(allocations_of(picture) == 0);
    CHECK(objects.size() == 3);
    CHECK(objects[0].mask.runs == runs);
    CHECK(objects[0].keypoints.size() == 17);
}

TEST_CASE("a recycled object is like a new one") {
    nnrun::ObjectPool pool;
    std::vector<nnrun::Object> objects(1);
    objects[0].keypoints.resize(5);
    objects[0].mask = {2, 2, {1, 3}};
    objects[0].id = 7;
    pool.recycle(objects);
    CHECK(objects.empty());
    const nnrun::Object again = pool.acquire();
    CHECK(again.keypoints.empty());
    CHECK(again.keypoints.capacity() >= 5);
    CHECK(again.mask.runs.empty());
    CHECK(again.mask.width == 0);
    CHECK(again.id == -1);
    CHECK(again.place == -1);
    CHECK(pool.acquire().keypoints.capacity() == 0);
}

TEST_CASE("SimCC takes the largest bin") {
    ncnn::Mat x(8, 2);
    ncnn::Mat y(6, 2);
    x.fill(0.0f);
    y.fill(0.0f);
    x.row(0)[3] = 0.9f;
    y.row(0)[5] = 0.7f;
    x.row(1)[1] = x.row(1)[2] = 0.5f;
    std::vector<nnrun::Keypoint> points;
    nnrun::read_simcc(x, y, 2, as_it_is, points);
    CHECK(points.size() == 2);
    CHECK(points[0].x == 1.5f);
    CHECK(points[0].y == 2.5f);
    CHECK(points[0].score == 0.7f);
    CHECK(points[1].x == 0.5f);
    CHECK(points[1].y == 0);
    CHECK(points[1].score == 0);
}

TEST_CASE("a heatmap leans to the larger neighbour") {
    ncnn::Mat maps(4, 3, 2);
    maps.fill(0.0f);
    maps.channel(0).row(1)[2] = 1;
    maps.channel(0).row(1)[1] = 0.5f;
    maps.channel(0).row(2)[2] = 0.25f;
    maps.channel(1).row(0)[3] = 2;
    std::vector<nnrun::Keypoint> points;
    nnrun::read_heatmaps(maps, 12, 16, as_it_is, points);
    CHECK(points.size() == 2);
    CHECK(points[0].x == 7);
    CHECK(points[0].y == 5);
    CHECK(points[0].score == 1);
    CHECK(points[1].x == 12);
    CHECK(points[1].y == 0);
    CHECK(points[1].score == 2);
}

}  // namespace
