"""A model of the user's own: its file becomes one that piyard knows by its sha256.

The file goes to the cache of downloads, its description to models/: from there on it is a model
like those that ship.
"""

from piyard.conversion.own.asked import Asked, differing, numbers
from piyard.conversion.own.plan import Added, add, forget, plan

__all__ = ["Added", "Asked", "add", "differing", "forget", "numbers", "plan"]
