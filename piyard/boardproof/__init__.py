"""Proof that a board computes what a model's original computes."""
