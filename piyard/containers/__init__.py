"""Containers: the engine that runs them, and the images they are started from."""
