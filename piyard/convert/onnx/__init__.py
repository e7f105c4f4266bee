"""ONNX graphs: read and checked, cut, their constants computed, and few axes to a tensor."""
