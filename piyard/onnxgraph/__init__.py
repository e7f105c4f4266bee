"""An ONNX file's graph as data: read and checked, cut, given a size, rid of what ncnn lacks."""

from piyard.onnxgraph.cut import cut as cut
from piyard.onnxgraph.focus import rewrite_focus as rewrite_focus
from piyard.onnxgraph.old import renewed as renewed
from piyard.onnxgraph.read import (
    floats as floats,
)
from piyard.onnxgraph.read import (
    input_shapes as input_shapes,
)
from piyard.onnxgraph.read import (
    inputs as inputs,
)
from piyard.onnxgraph.read import (
    names as names,
)
from piyard.onnxgraph.read import (
    read as read,
)
from piyard.onnxgraph.read import (
    shapes as shapes,
)
from piyard.onnxgraph.size import freed as freed
from piyard.onnxgraph.size import sized as sized
