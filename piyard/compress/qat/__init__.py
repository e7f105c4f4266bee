"""Training with ncnn's int8 arithmetic in the loop: the weights make up for its rounding."""
