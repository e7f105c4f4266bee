"""Training: one plain loop, repeatable and resumable."""
