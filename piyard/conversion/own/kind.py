"""The kind of a network file: a graph, a program, a ready pair, or weights alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

from piyard.errors import WrongInput

FILES = {".onnx": "onnx", ".torchscript": "torchscript", ".param": "ncnn"}
"""Ending of a file → its kind."""
CHECKPOINTS = frozenset({".pt", ".pth", ".th", ".tar", ".ckpt"})
"""Endings of what torch saves: weights, or a whole program."""
CHECKPOINT = "checkpoint"
SAVE = "save it as ONNX, or by torch.jit.trace(network, example).save('net.pt')"


def of(file: Path) -> str:
    """The file's kind: a value of ``network``, or ``CHECKPOINT``. Raises ``WrongInput``."""
    if not file.is_file():
        raise WrongInput(f"{file} is not a file")
    if file.suffix in FILES:
        return FILES[file.suffix]
    if file.suffix not in CHECKPOINTS:
        raise WrongInput(
            f"{file.name} is none of {', '.join(sorted({*FILES, *CHECKPOINTS}))}", remedy=SAVE
        )
    return "torchscript" if _is_program(file) else CHECKPOINT


def _is_program(file: Path) -> bool:
    """TorchScript archives hold constants, those of ``torch.save`` do not."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(Path(name).name == "constants.pkl" for name in archive.namelist())
    except zipfile.BadZipFile:  # weights of an old torch, or broken: reading them tells
        return False
