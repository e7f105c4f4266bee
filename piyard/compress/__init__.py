"""A model → a variant of it that is smaller or faster, with what that costs in accuracy."""
