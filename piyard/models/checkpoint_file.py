"""What torch.save has written, loaded without looking up or running anything that it names.

Each class is stood in for by an object without behaviour, and torch's own restricted reader does
the rest. What is not such a file is refused as what it is.
"""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from piyard.core.errors import ConversionFailed
from piyard.core.foreign import require_content
from piyard.core.text import sanitize_line

if TYPE_CHECKING:
    StandIn = Callable[..., Any] | tuple[Callable[..., Any], str]


HARMLESS_BUILTINS = frozenset(
    {"bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "getattr", "int"}
    | {"list", "object", "range", "set", "slice", "str", "tuple"}
)
CODE_MODULES = frozenset(
    {"builtins", "code", "commands", "ctypes", "importlib", "nt", "os", "posix", "pty", "runpy"}
    | {"shutil", "socket", "subprocess", "sys"}
)
"""No weights need them, but for values and ``getattr``, which Ultralytics' heads have."""
DICTIONARY_NAME = re.compile(r"(?!torch\.)\S+(?:[dD]ict|CfgNode|Munch|Box|Bunch)")
"""Classes that derive from dict, as Lightning's AttributeDict or easydict's."""
ZIP_BEGINNING, PICKLE_BEGINNING = b"PK\x03\x04", b"\x80"
FOREIGN_BEGINNINGS = {
    b"\x89hdf": "is an HDF5 file, as Keras writes: save the network as ONNX",
    b"gguf": "is a GGUF file, a language model: model.add takes it as it is",
    b"\x08": "looks like an ONNX graph: name it .onnx",
}
"""How other files begin, in small letters, and what they are."""
PICKLE_ENTRY = "data.pkl"
MAX_SHOWN = 300
TORCH_ADVICE = re.compile(r"(?s)^Weights only load failed.*?WeightsUnpickler error: *")
"""torch advises to load the file with all that it may run: no advice of ours."""


class StubClass:
    """Stands in for an object of a class that is not here: attributes only, no behaviour."""

    named: ClassVar[str] = ""
    """What the file calls the class."""

    def __init__(self, *_: object, **__: object) -> None:
        """Made of anything, which is forgotten."""

    def __setstate__(self, state: object) -> None:
        """Keep what the file says the object's attributes are."""
        self.__dict__.update(state if isinstance(state, dict) else {})


class StubDict:
    """Stands in for a class that derives from dict: a plain one is made."""

    def __new__(cls, *_: object, **__: object) -> OrderedDict[object, object]:  # type: ignore[misc]
        """Empty: what it holds follows."""
        return OrderedDict()


def load_checkpoint(path: Path) -> Any:
    """Whatever was saved. Raises ``ConversionFailed``."""
    import torch

    _require_torch_file(path)
    try:
        stand_ins: list[StandIn] = [(_stand_in(name), name) for name in _foreign_names(path)]
        with torch.serialization.safe_globals(stand_ins), _quiet():
            return torch.load(path, map_location="cpu", weights_only=True)
    except ConversionFailed:
        raise
    except Exception as error:  # noqa: BLE001  # whatever the bytes provoke
        raise _unsafe_checkpoint(path, str(error)) from None


def _require_torch_file(path: Path) -> None:
    """Raise ``ConversionFailed`` for a file that torch.save has not written, or a part of one."""
    start = require_content(path)
    if start.startswith(ZIP_BEGINNING):
        _require_names(path, check_archive(path))
        return
    for beginning, kind in FOREIGN_BEGINNINGS.items():
        if start.lstrip().lower().startswith(beginning):
            raise ConversionFailed(f"{path.name} {kind}")
    if not start.startswith(PICKLE_BEGINNING):
        raise ConversionFailed(
            f"{path.name} is not a file that torch.save has written: it begins with {start[:12]!r}",
            remedy="torch.save(network.state_dict(), 'net.pth') writes one",
        )


DAMAGE = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, struct.error)
"""What zipfile raises over an archive that is cut, changed or said to be encrypted."""


def check_archive(path: Path) -> list[str]:
    """The names in the zip archive. Raises ``ConversionFailed`` for one that is cut or damaged.

    torch itself compares no checksum: a damaged weight would be taken as it is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.compress_type == zipfile.ZIP_STORED:  # nothing that could swell
                    _read_through(archive, entry)
            return archive.namelist()
    except DAMAGE as error:
        raise ConversionFailed(
            f"{path.name} is only a part of a file, or damaged",
            evidence=sanitize_line(str(error)) if "CRC" in str(error) else "",
            remedy="compare its size with that of the original, and copy or download it again",
        ) from None


def _read_through(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    with archive.open(entry) as stream:
        while stream.read(1 << 20):
            pass


def _require_names(path: Path, names: Sequence[str]) -> None:
    if not any(Path(name).name == PICKLE_ENTRY for name in names):
        raise ConversionFailed(
            f"{path.name} is a zip archive that torch.save has not written",
            evidence=", ".join(names[:3]),
            remedy="name the file of weights itself",
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says of its own old types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _foreign_names(path: Path) -> list[str]:
    """The classes and functions that the file names, torch's own tensors aside.

    Raises ``ConversionFailed`` for one that only code needs.
    """
    import torch

    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except ValueError:  # as torch saved before 1.6: what these files name is refused by name
        return []
    for name in sorted(names):
        module, _, called = name.partition(".")
        if module in CODE_MODULES and not (module == "builtins" and called in HARMLESS_BUILTINS):
            raise _unsafe_checkpoint(path, f"GLOBAL {name}")
    return names


def _stand_in(name: str) -> type:
    if DICTIONARY_NAME.fullmatch(name):
        return StubDict
    return type("Stub", (StubClass,), {"named": name})


def _unsafe_checkpoint(path: Path, why: str) -> ConversionFailed:
    named = re.search(r"GLOBAL ([\w.]+)", why)
    if named:
        reason = f"is not a weights file that is safe to load: it names {named[1]}, which no "
        reason += "weights need"
    elif "unrecognized function" in why:
        reason = "is not a weights file that is safe to load: it calls what it has looked up"
    else:
        reason = "cannot be read as what torch.save writes: it is damaged, or of another program"
    first_line = TORCH_ADVICE.sub("", why).partition("\n")[0]
    return ConversionFailed(
        f"{path.name} {reason}",
        evidence="" if named or "unrecognized" in why else first_line[:MAX_SHOWN],
        remedy="piyard loads tensors only: torch.save(network.state_dict(), 'net.pth')",
    )
