"""Whether a board computes what the original does, and which layers need fp32 for it."""
