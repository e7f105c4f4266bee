"""An ONNX file's graph as data: read and checked, cut, given a size, rid of what ncnn lacks."""

from piyard.onnxgraph.cut import cut
from piyard.onnxgraph.focus import rewrite_focus
from piyard.onnxgraph.old import renewed
from piyard.onnxgraph.read import floats, input_shapes, inputs, names, read, shapes
from piyard.onnxgraph.size import freed, sized

__all__ = [
    "cut",
    "floats",
    "freed",
    "input_shapes",
    "inputs",
    "names",
    "read",
    "renewed",
    "rewrite_focus",
    "shapes",
    "sized",
]
