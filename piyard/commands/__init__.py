"""What each task does: decide, say, act, print."""
