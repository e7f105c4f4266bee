"""The tensors of a TorchScript archive by name, read without its program.

OpenAI publishes CLIP so. The archive is what torch.save writes, an object with its tensors and its
modules as attributes, beside code that is left aside here.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.core.errors import ConversionFailed
from piyard.core.files import disk_errors_at, scratch_folder
from piyard.models.checkpoint_file import StubClass, load_checkpoint

if TYPE_CHECKING:
    import torch


PROGRAM_MARK = "constants.pkl"
"""By this torch knows a program."""
DATA = "data"


def is_script_archive(path: Path) -> bool:
    """Whether the file is a program of TorchScript."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(Path(name).name == PROGRAM_MARK for name in archive.namelist())


def read_script_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Parameters and buffers, in fp32. Raises ``ConversionFailed``."""
    with scratch_folder("piyard-script-") as folder:
        plain = folder / path.name
        with disk_errors_at(folder):
            _copy_data(path, plain)
        loaded = load_checkpoint(plain)
        tensors = dict(_walk(loaded, "", ())) if isinstance(loaded, StubClass) else {}
    if not tensors:
        raise ConversionFailed(
            f"{path.name} is a TorchScript program without tensors of its own",
            remedy="take the file of weights: a state_dict",
        )
    return tensors


def _copy_data(path: Path, to: Path) -> None:
    """The archive's object and its tensors alone, which torch reads as a checkpoint."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(to, "w") as kept:
        for info in archive.infolist():
            inside = Path(info.filename).parts[1:]
            if inside[:1] in {(DATA,), ("data.pkl",), ("version",), ("byteorder",)}:
                with archive.open(info) as source, kept.open(info.filename, "w") as copy:
                    shutil.copyfileobj(source, copy)


def _walk(
    module: StubClass, prefix: str, above: tuple[StubClass, ...]
) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    for name, value in vars(module).items():
        if isinstance(value, torch.Tensor):
            yield prefix + name, value.float() if value.is_floating_point() else value
        elif isinstance(value, StubClass) and value not in above:
            yield from _walk(value, f"{prefix}{name}.", (*above, module))
