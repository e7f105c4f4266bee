"""What a run takes of a Pi 5's core, counted on an emulated one: the same on every machine."""
