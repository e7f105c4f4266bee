"""Whether a .param and a .bin belong together: ncnn itself never looks at what it did not read."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, BinaryIO

from piyard.errors import ConversionFailed


def require(param: Path, weights: Path) -> None:
    """Raise ``ConversionFailed`` unless ncnn reads all of the .bin, and no more than there is."""
    import ncnn

    net = ncnn.Net()
    if net.load_param(str(param)):
        raise ConversionFailed(f"ncnn cannot load {param.name}")
    with weights.open("rb") as stream:
        code = net.load_model(_reader(stream))
        left = weights.stat().st_size - stream.tell()
    if code:
        raise _unlike(param, weights, "it ends too early")
    if left:
        raise _unlike(param, weights, f"{left} bytes of it belong to nothing")


def _reader(stream: BinaryIO) -> Any:
    """Hands ncnn the file, so that one can see how far it gets."""
    import ncnn

    def read(_reader: object, to: object, size: int) -> int:
        data = stream.read(size)
        ctypes.memmove(_address(to), data, len(data))
        return len(data)

    base: Any = ncnn.DataReader
    reader: Any = type("Reader", (base,), {"read": read})
    return reader()


def _address(capsule: object) -> int:
    """Where the memory is that pybind11 hands on as a capsule."""
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))


def _unlike(param: Path, weights: Path, why: str) -> ConversionFailed:
    return ConversionFailed(
        f"{weights.name} does not fit {param.name}: {why}",
        remedy="take the .bin that was written with this .param",
    )
