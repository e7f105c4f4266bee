#pragma once

#include "kernels/linear_shape.h"

namespace nnrun {

// normalised = norm(row) of `count` values: RMSNorm is row / rms(row) * weight, LayerNorm
// (row - mean) / deviation * weight + shift. The sums are of floats, four at a time.
void normalise(Norm norm, float eps, const float* row, int count, const float* weight, const float* shift, float* normalised);

// In place. GELU is exact to a float's rounding of erf; quick GELU is x * sigmoid(1.702 x), the third its tanh form.
void activate(Activation activation, float* values, int count);

// gates[i] = SiLU(gates[i]) * ups[i].
void apply_gate(float* gates, const float* ups, int count);

}  // namespace nnrun
