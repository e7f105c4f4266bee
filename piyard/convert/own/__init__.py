"""A user's own model: its file becomes one that piyard knows by its sha256."""
