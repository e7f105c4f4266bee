"""PNNX IR, which pnnx keeps beside a conversion: read, and built again as a torch network."""

from piyard.conversion.pnnxir.build import build
from piyard.conversion.pnnxir.read import Operator, read

__all__ = ["Operator", "build", "read"]
