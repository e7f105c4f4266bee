"""Whether each method of compression beats a network of the same size, trained without it."""
