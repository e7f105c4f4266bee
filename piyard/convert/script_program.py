"""A TorchScript file run in a process without the user's rights, and its exporter's notes."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, TypeVar

import msgspec

from piyard.convert import script_child
from piyard.convert.script_messages import (
    FRAME_HEAD,
    MAX_FRAME,
    Answer,
    Content,
    Cost,
    Count,
    Describe,
    Description,
    Done,
    Export,
    Failure,
    Message,
    Named,
    Ready,
    Run,
    Save,
    Shapes,
    Sizes,
    Tensor,
    Tensors,
    Watch,
    decode_answer,
    encode_frame,
    pack_tensor,
    unpack_tensor,
)
from piyard.core import console
from piyard.core.errors import ConversionFailed, NotSetUp
from piyard.core.sandbox import launch
from piyard.core.sandbox.launch import SandboxedProcess, SandboxNeed, is_trusted, require_sandbox

if TYPE_CHECKING:
    from piyard.vision.schema import Floats


NOTES_PATH = PurePosixPath("extra/config.txt")
"""Within the archive's only folder: where Ultralytics' exporter writes JSON."""
MAX_NOTES = 1_000_000
"""Bytes that are read; the names of a thousand classes have some 20,000."""


def script_notes(file: Path) -> dict[str, object]:
    """The notes as data; nothing where there are none, or none that can be read."""
    try:
        with zipfile.ZipFile(file) as archive:
            content = json.loads(_notes_text(archive))
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile):
        return {}
    return content if isinstance(content, dict) else {}


def _notes_text(archive: zipfile.ZipFile) -> bytes:
    for name in archive.namelist():
        if PurePosixPath(name).parts[1:] == NOTES_PATH.parts:
            with archive.open(name) as stream:
                return stream.read(MAX_NOTES)
    return b""


CHILD = Path(script_child.__file__)
TIME_LIMIT_S = 900.0
"""For one answer: as long as pnnx may take."""
BLOCK = 1 << 20
FORBIDDEN_SIGNS = (
    *("Permission denied", "Operation not permitted"),
    *("Read-only file system", "No such file or directory"),
)
"""What a program is answered that reaches out of its sandbox."""
AnyMessage = TypeVar("AnyMessage", bound=Message)
_announced: set[str] = set()


class SandboxedProgram:
    """A loaded program. It ends with this object; each method raises ``ConversionFailed``."""

    def __init__(self, file: Path, cut: Sequence[str] = ()) -> None:
        """Start it, after saying so. Raises ``NotSetUp`` where there is no sandbox."""
        self.file = file.absolute()
        self.trusted = is_trusted(file)
        if not self.trusted:
            require_sandbox(file.name)
        _announce(file, trusted=self.trusted)
        scratch = Path(tempfile.mkdtemp(prefix="piyard-script-"))
        weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        with tempfile.TemporaryFile() as complaint:
            self._process = _start_child(self.file, cut, scratch, need=self.need, stderr=complaint)
            weakref.finalize(self, self._process.end)
            self._ask_ready(complaint)

    @property
    def need(self) -> SandboxNeed:
        """Of a sandbox, for whatever runs the program."""
        return "off" if self.trusted else "required"

    def describe(self) -> Description:
        """Its graph."""
        return self._ask(Describe(), Description)

    def shapes(self, values: Sequence[str], shape: Sequence[int]) -> Mapping[str, tuple[int, ...]]:
        """The shape of each of these values, with batch, for an input (channels, rows, columns)."""
        if not values:
            return {}
        sizes = self._ask(Shapes(list(values), tuple(shape)), Sizes)
        return dict(zip(values, sizes.shapes, strict=True))

    def run(self, *inputs: Floats) -> list[Floats]:
        """Its outputs for inputs (channels, rows, columns), without batch."""
        answer = self._ask(Run([pack_tensor(tensor) for tensor in inputs]), Tensors)
        return [self._array(tensor) for tensor in answer.outputs]

    def tensors(self, *inputs: Floats) -> Iterator[tuple[str, Floats]]:
        """Everything computed on the way, with where it is computed, in order."""
        self._send(Watch([pack_tensor(array) for array in inputs]))
        for named in iter(self._named, None):
            try:
                yield named.name, self._array(named.value)
            except GeneratorExit:  # answers not read must not be taken for the next one
                while self._named():
                    pass
                raise

    def save(self) -> bytes:
        """The file of the program, with its modules dissolved and its weights as constants."""
        return self._ask(Save(), Content).data

    def export(self, shapes: Sequence[Sequence[int]]) -> bytes:
        """The file of the program as ONNX, for inputs of these shapes with batch."""
        return self._ask(Export([tuple(shape) for shape in shapes]), Content).data

    def count(self, shapes: Sequence[Sequence[int]]) -> dict[str, int] | None:
        """``params`` and ``macs``; None where torch cannot count."""
        question = Count([tuple(shape) for shape in shapes])
        return self._ask(question, Cost).counted

    def end(self) -> None:
        """End the process now."""
        self._process.end()

    def _ask_ready(self, complaint: IO[bytes]) -> None:
        try:
            self._receive(Ready)
        except _ProcessEnded:
            complaint.seek(0)
            said = complaint.read(BLOCK).decode(errors="replace").splitlines()[-6:]
            if not said:
                raise
            raise NotSetUp(
                f"the process that runs {self.file.name} does not start",
                evidence="\n".join(said),
                remedy="save the network as ONNX, or, if you know where the file comes from, let "
                "it run with your rights: --trust",
            ) from None

    def _named(self) -> Named | None:
        answer = self._receive(Named | Done)
        return answer if isinstance(answer, Named) else None

    def _ask(self, question: Message, kind: type[AnyMessage]) -> AnyMessage:
        self._send(question)
        answer = self._receive(kind)
        if not isinstance(answer, kind):
            raise self._invalid_answer()
        return answer

    def _send(self, question: Message) -> None:
        stream, rest = self._process.popen.stdin, memoryview(encode_frame(question))
        if stream is None or stream.closed:
            raise self._ended()
        deadline = time.monotonic() + TIME_LIMIT_S
        while rest:
            self._wait(stream, deadline, writing=True)
            try:
                rest = rest[os.write(stream.fileno(), rest[:BLOCK]) :]
            except BrokenPipeError:
                raise self._ended() from None

    def _receive(self, kind: object) -> Answer:
        """The next answer, which is of that kind; a ``Failure`` is raised."""
        deadline = time.monotonic() + TIME_LIMIT_S
        size = int.from_bytes(self._read(FRAME_HEAD, deadline), "big")
        if size > MAX_FRAME:
            raise self._invalid_answer()
        try:
            answer = decode_answer(self._read(size, deadline))
        except msgspec.DecodeError:
            raise self._invalid_answer() from None
        if isinstance(answer, Failure):
            raise self._failed(answer)
        if not isinstance(answer, kind):  # type: ignore[arg-type]  # a class, or several
            raise self._invalid_answer()
        return answer

    def _read(self, size: int, deadline: float) -> bytes:
        stream, content = self._process.popen.stdout, bytearray()
        if stream is None or stream.closed:
            raise self._ended()
        while len(content) < size:
            self._wait(stream, deadline, writing=False)
            block = os.read(stream.fileno(), min(BLOCK, size - len(content)))
            if not block:
                raise self._ended()
            content += block
        return bytes(content)

    def _wait(self, stream: IO[bytes], deadline: float, *, writing: bool) -> None:
        left = max(0.0, deadline - time.monotonic())
        reading, sending = ([], [stream]) if writing else ([stream], [])
        if not any(select.select(reading, sending, [], left)):
            self.end()
            raise ConversionFailed(
                f"{self.file.name} did not answer within {TIME_LIMIT_S:g} s",
                remedy="save a network whose inference ends",
            )

    def _ended(self) -> ConversionFailed:
        self.end()
        return _ProcessEnded(
            f"{self.file.name} ended the process that ran it "
            f"(exit code {self._process.popen.returncode})",
            remedy="it may need more memory than there is, or be damaged: save the network as ONNX",
        )

    def _invalid_answer(self) -> ConversionFailed:
        self.end()
        return ConversionFailed(
            f"the process that ran {self.file.name} sent an invalid answer",
            remedy="the file meddles with whoever runs it: do not use it",
        )

    def _failed(self, failure: Failure) -> ConversionFailed:
        remedy = failure.remedy
        if not self.trusted and any(sign in failure.evidence for sign in FORBIDDEN_SIGNS):
            remedy = (
                "it reaches for files or for the network, which no network needs: do not use it; "
                "if you know why it does, let it: --trust"
            )
        return ConversionFailed(failure.what, evidence=failure.evidence, remedy=remedy)

    def _array(self, tensor: Tensor) -> Floats:
        try:
            return unpack_tensor(tensor)
        except ValueError:
            raise self._invalid_answer() from None


class _ProcessEnded(ConversionFailed):
    """The process is gone."""


def _announce(file: Path, *, trusted: bool) -> None:
    """Say it before it happens, of each file once."""
    if file.name in _announced:
        return
    _announced.add(file.name)
    how = (
        "with your rights, as you trust it"
        if trusted
        else ("in a sandbox: without network, and without any file but itself")
    )
    console.info(f"  {file.name} is a TorchScript file, a program; it runs {how}")


def _start_child(
    file: Path, cut: Sequence[str], scratch: Path, *, need: SandboxNeed, stderr: IO[bytes]
) -> SandboxedProcess:
    process = launch.start_program(
        [sys.executable, "-I", str(CHILD), str(file), *cut],
        read=[file],
        write=[scratch],
        cwd=scratch,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        need=need,
    )
    if process.popen.stdin:
        os.set_blocking(process.popen.stdin.fileno(), False)
    return process
