"""Checkpoints that only Ultralytics' own package can load, exported by it in a sandbox."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import IO

import msgspec

from piyard.convert.own import export_child
from piyard.core import console
from piyard.core.download import downloads_folder
from piyard.core.errors import ConversionFailed, NotSetUp
from piyard.core.files import atomic_write, scratch_folder, sha256_of_file
from piyard.core.sandbox import launch
from piyard.core.sandbox.launch import is_trusted, require_sandbox

CHILD = Path(export_child.__file__)
PACKAGE = "ultralytics"
LICENCE = "AGPL-3.0"
TIME_LIMIT_S = 900.0
SHOWN_LINES = 4
TRAINED_SIZE = (0, 0)
"""As large as the checkpoint was trained."""


class ExportedNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """The ONNX file that a checkpoint became, in the cache."""

    file: Path
    source: str
    """What made it, for people."""


def export_checkpoint(file: Path, size: Sequence[int] = TRAINED_SIZE) -> ExportedNetwork:
    """The checkpoint's network for an input of ``size`` = (rows, columns).

    Raises ``NotSetUp`` where the package or a sandbox is missing, and ``ConversionFailed`` where
    the export fails.
    """
    packages = _find_package(file)
    trusted = is_trusted(file)
    if not trusted:
        require_sandbox(file.name)
    how = "with your rights, as you trust it" if trusted else "in a sandbox, without network"
    console.info(f"  {file.name} is a pickle of {PACKAGE}, which exports it to ONNX {how}")
    with scratch_folder("piyard-export-") as scratch, tempfile.TemporaryFile() as said:
        argv = [sys.executable, "-I", str(CHILD), str(file.absolute()), *map(str, size)]
        process = launch.start_program(
            [*argv, str(packages)],
            read=[file.absolute(), packages],
            write=[scratch],
            cwd=scratch,
            stdout=said,
            stderr=subprocess.STDOUT,
            need="off" if trusted else "required",
        )
        try:
            code = process.popen.wait(TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise _export_failed(file, f"it took more than {TIME_LIMIT_S:g} s", said) from None
        finally:
            process.end()
        export = scratch / f"{export_child.MODEL}.onnx"
        if code or not export.is_file():
            raise _export_failed(file, f"it ended with code {code}", said)
        version = (scratch / "version").read_text(encoding="utf-8")
        return _keep_export(file, export, version)


def _keep_export(file: Path, export: Path, version: str) -> ExportedNetwork:
    clean = "".join(letter for letter in version if letter.isalnum() or letter in ".+-")[:32]
    kept = downloads_folder() / sha256_of_file(export) / f"{file.stem}.onnx"
    if not kept.is_file():
        with atomic_write(kept) as draft:
            shutil.copyfile(export, draft)
    return ExportedNetwork(
        file=kept, source=f"{file.name}, exported by {PACKAGE} {clean}, {LICENCE}"
    )


def _find_package(file: Path) -> Path:
    """The folder that the package is in; it is not imported here."""
    spec = util.find_spec(PACKAGE)
    if spec is None or not spec.origin:
        raise NotSetUp(
            f"{file.name} is a checkpoint of Ultralytics that none of piyard's own networks fits",
            remedy="let its package export it: pip install 'piyard[ultralytics]' (in a checkout: "
            ".venv/bin/pip install ultralytics); or do so where it is installed: "
            f"yolo export model={file.name} format=onnx",
        )
    return Path(spec.origin).parents[1]


def _export_failed(file: Path, why: str, said: IO[bytes]) -> ConversionFailed:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
    return ConversionFailed(
        f"{PACKAGE} cannot export {file.name}: {why}",
        evidence="\n".join("".join(c for c in line if c.isprintable()) for line in lines),
        remedy=f"export it where it was trained: yolo export model={file.name} format=onnx",
    )
