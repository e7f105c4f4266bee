"""The bytes that a network file is known by: all of them, those of files beside it too."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from piyard.convert.onnx.file import join_parts, list_parts
from piyard.convert.own.defaults import FILE_KINDS
from piyard.core.errors import WrongInput
from piyard.core.files import atomic_write, sha256_of_file


def parts_beside(file: Path) -> list[str]:
    """The names of files that hold tensors of an ONNX file; none of any other file."""
    return list_parts(file) if FILE_KINDS.get(file.suffix) == "onnx" else []


def sha256_of_network(file: Path) -> str:
    """The sha256 of what ``copy_network`` writes."""
    if parts_beside(file):
        return hashlib.sha256(join_parts(file)).hexdigest()
    return sha256_of_file(file)


def copy_network(file: Path, target: Path, sha256: str) -> None:
    """Write the file, and what lies beside it, as one; ``WrongInput`` where it has changed."""
    with atomic_write(target) as draft:
        if parts_beside(file):
            draft.write_bytes(join_parts(file))
        else:
            shutil.copyfile(file, draft)
        if sha256_of_file(draft) != sha256:
            raise WrongInput(f"{file} changed while it was added", remedy="add it again")
