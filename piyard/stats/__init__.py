"""What samples tell: medians and their intervals, shapes, and whether two series differ."""
