"""A .param and a .bin must belong together: ncnn itself ignores what it did not read."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, BinaryIO

from piyard.errors import ConversionFailed


def require(param_file: Path, bin_file: Path) -> None:
    """Raise ``ConversionFailed`` unless ncnn reads all of the .bin, and no more than there is."""
    import ncnn

    net = ncnn.Net()
    if net.load_param(str(param_file)):
        raise ConversionFailed(f"ncnn cannot load {param_file.name}")
    with bin_file.open("rb") as stream:
        code = net.load_model(_reader(stream))
        unread = bin_file.stat().st_size - stream.tell()
    if code:
        raise _unlike(param_file, bin_file, "it ends too early")
    if unread:
        raise _unlike(param_file, bin_file, f"{unread} bytes of it are not used")


def _reader(stream: BinaryIO) -> Any:
    """Hands ncnn the file, so that one sees how far it reads."""
    import ncnn

    def read(_reader: object, to: object, size: int) -> int:
        data = stream.read(size)
        ctypes.memmove(_address(to), data, len(data))
        return len(data)

    base: Any = ncnn.DataReader
    reader: Any = type("Reader", (base,), {"read": read})
    return reader()


def _address(capsule: object) -> int:
    """The memory address in a capsule of pybind11."""
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))


def _unlike(param_file: Path, bin_file: Path, why: str) -> ConversionFailed:
    return ConversionFailed(
        f"{bin_file.name} does not fit {param_file.name}: {why}",
        remedy="take the .bin that was written with this .param",
    )
