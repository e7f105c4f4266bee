#include "kernels/pointwise.h"

#include <cmath>

#include "kernels/floats.h"

namespace nnrun {
namespace {

// Of (value - mean)^2.
float squared_deviation(const float* row, int count, float mean) {
    F4 sums = four(0);
    int i = 0;
    for (; i + 4 <= count; i += 4) {
        const F4 value = load4(row + i) - four(mean);
        sums = multiply_add(sums, value, value);
    }
    float sum = sum_of(sums);
    for (; i < count; ++i) sum += (row[i] - mean) * (row[i] - mean);
    return sum;
}

float sum(const float* row, int count) {
    F4 sums = four(0);
    int i = 0;
    for (; i + 4 <= count; i += 4) sums = sums + load4(row + i);
    float total = sum_of(sums);
    for (; i < count; ++i) total += row[i];
    return total;
}

F4 sigmoid(F4 x) { return four(1) / (four(1) + exponential(-x)); }

F4 silu(F4 x) { return x * sigmoid(x); }

F4 quick_gelu(F4 x) { return x * sigmoid(four(1.702f) * x); }

// 0.5 x (1 + tanh(u)) is x * sigmoid(2 u).
F4 tanh_gelu(F4 x) {
    const F4 cubed = x * x * x;
    return x * sigmoid(four(1.5957691216057308f) * multiply_add(x, four(0.044715f), cubed));
}

float gelu(float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f)); }

template <F4 (*FUNCTION)(F4)>
void apply(float* values, int count) {
    int i = 0;
    for (; i + 4 <= count; i += 4) store4(values + i, FUNCTION(load4(values + i)));
    for (; i < count; ++i) values[i] = FUNCTION(four(values[i]))[0];
}

}  // namespace

void normalise(Norm norm, float eps, const float* row, int count, const float* weight, const float* shift, float* normalised) {
    const auto n = static_cast<float>(count);
    const float mean = norm == Norm::layer ? sum(row, count) / n : 0;
    const float factor = 1.0f / std::sqrt(squared_deviation(row, count, mean) / n + eps);
    for (int i = 0; i < count; ++i) normalised[i] = (row[i] - mean) * factor * weight[i];
    if (norm == Norm::layer)
        for (int i = 0; i < count; ++i) normalised[i] += shift[i];
}

void activate(Activation activation, float* values, int count) {
    switch (activation) {
        case Activation::none:
            return;
        case Activation::gelu:
            for (int i = 0; i < count; ++i) values[i] = gelu(values[i]);
            return;
        case Activation::quick_gelu:
            return apply<quick_gelu>(values, count);
        case Activation::tanh_gelu:
            return apply<tanh_gelu>(values, count);
        case Activation::silu:
            return apply<silu>(values, count);
    }
}

void apply_gate(float* gates, const float* ups, int count) {
    int i = 0;
    for (; i + 4 <= count; i += 4) store4(gates + i, silu(load4(gates + i)) * load4(ups + i));
    for (; i < count; ++i) gates[i] = silu(four(gates[i]))[0] * ups[i];
}

}  // namespace nnrun
