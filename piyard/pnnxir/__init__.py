"""PNNX IR, what pnnx keeps beside a conversion: read, and built again as a torch network."""

from piyard.pnnxir.build import build
from piyard.pnnxir.read import Operator, read

__all__ = ["Operator", "build", "read"]
