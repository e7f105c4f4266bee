"""The Original: a network as its authors publish it, which the converted one must agree with."""

from piyard.originals.choose import Files, choose, nets, of, path_of, require_route, routes
from piyard.originals.original import Original

__all__ = ["Files", "Original", "choose", "nets", "of", "path_of", "require_route", "routes"]
