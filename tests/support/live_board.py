"""A board that looks at films and streams: this machine behind a real SSH server.

It has nnrun for this machine, on a small ncnn, and a net that sees the same object in whatever it
is shown. ``python -m tests.support.live_board TASK FLAGS…`` is piyard with that net.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from piyard.cli import runs
from piyard.convert.conversions import LABELS_FILE, Conversion, ConversionManifest
from piyard.core.paths import ROOT
from piyard.core.store import get_or_make
from piyard.models.definition import Model, load_model
from piyard.run.job import Prepared
from piyard.vision.head_schema import Rtmdet
from piyard.vision.schema import Stretch
from tests.runner.nets import Net
from tests.support import ssh_server, synthetic_results, tiny_ncnn
from tests.support.ssh_server import Sshd

NAME, MODEL = "cam", "rtmdet_nano_person"
BOX = (4.0, 6.0, 28.0, 30.0)
"""Of the one object, in an input of 32 x 32."""
PATIENCE_S = 90


class LiveBoard:
    """What a test needs of it."""

    def __init__(self, sshd: Sshd, folder: Path) -> None:
        self.sshd = sshd
        self.fleet = folder / "fleet.yaml"
        entry = {
            "host": "127.0.0.1",
            "port": sshd.port,
            "user": ssh_server.USER,
            "key": str(sshd.client_key_file),
            "target": "desktop",
        }
        self.fleet.write_text(json.dumps({"boards": {NAME: entry}}))

    def command(self, *flags: str) -> list[str]:
        """``run`` on the board with its net."""
        task = ["run", "--host", NAME, "--model", MODEL, *flags]
        return [sys.executable, "-m", "tests.support.live_board", *task]

    @property
    def environment(self) -> Mapping[str, str]:
        more = {"PIYARD_FLEET": str(self.fleet), "PYTHONUNBUFFERED": "1", "COLUMNS": "80"}
        return os.environ | {"PYTHONPATH": str(ROOT)} | more

    @contextmanager
    def running(self, *flags: str) -> Iterator[LiveProgram]:
        """piyard, as a user starts it."""
        with subprocess.Popen(
            self.command(*flags),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            program = LiveProgram(process)
            try:
                yield program
            finally:
                process.kill()


class LiveProgram:
    """A piyard that runs; its lines come as they are printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out, self.err = Lines(process.stdout), Lines(process.stderr)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """The exit code, with all lines read."""
        code = self.process.wait(PATIENCE_S)
        self.out.join()
        self.err.join()
        return code


class Lines:
    """The lines of a stream so far, read by a thread."""

    def __init__(self, stream: Any) -> None:
        self.lines: list[str] = []
        self._stream, self._changed = stream, threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        with self._changed:
            return "\n".join(self.lines)

    def await_line(self, fits: Callable[[str], Any], count: int = 1) -> str:
        """The last of so many lines that fit, once there are."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self._fitting(fits)) >= count, PATIENCE_S)
            assert enough, self.lines
            return self._fitting(fits)[count - 1]

    def join(self) -> None:
        self._thread.join(PATIENCE_S)

    def _fitting(self, fits: Callable[[str], Any]) -> list[str]:
        return [line for line in self.lines if fits(line)]

    def _read(self) -> None:
        for line in self._stream:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()


@contextmanager
def running(folder: Path) -> Iterator[LiveBoard]:
    """The board, with its folders below that one."""
    with ssh_server.running(folder / "sshd") as sshd:
        sshd.allows_tunnels = True
        yield LiveBoard(sshd, folder)


def model(_name: str = MODEL) -> Model:
    """Of the net that always sees one person."""
    head = Rtmdet(strides=(8,), score=0.5, nms=0.5)
    preprocess = Stretch(order="rgb", mean=(0, 0, 0), norm=(1, 1, 1))
    return msgspec.structs.replace(
        load_model(MODEL), input=(3, 32, 32), preprocess=preprocess, head=head
    )


def prepared(_jobs: Sequence[Any] = (), **_options: Any) -> Prepared:
    """The net, and nnrun for this machine."""
    build = msgspec.structs.replace(tiny_ncnn.desktop(), target="desktop")
    return Prepared(builds={"desktop": build}, conversions={MODEL: _conversion()})


def _conversion() -> Conversion:
    manifest = synthetic_results.manifest(nets=["model"], task="detect")

    def fill(folder: Path) -> ConversionManifest:
        _always_one_person().write(folder, "made")
        (folder / "made.param").rename(folder / "model.ncnn.param")
        (folder / "made.bin").rename(folder / "model.ncnn.bin")
        (folder / LABELS_FILE).write_text("person\n")
        return manifest

    folder, fresh = get_or_make("conversions", "always-one-person-1", fill)
    return Conversion(
        model=model(), key="always-one-person-1", folder=folder, manifest=manifest, fresh=fresh
    )


def _always_one_person() -> Net:
    """Of RTMDet: the corners of its object are pixels of the input."""
    output = np.full((5, 4, 4), -9, np.float32)
    left, top, right, bottom = BOX
    output[:, 1, 1] = [9, 8 - left, 8 - top, right - 8, bottom - 8]
    net = Net().add("Input", "in0").add("Pooling", "pool", "0=1 4=1")
    net.add("InnerProduct", "values", f"0={output.size} 1=1 2={3 * output.size}")
    net.tagged(np.zeros(3 * output.size)).raw(output.ravel())
    return net.add("Reshape", "out0", "0=4 1=4 2=5")


def main() -> None:
    """piyard with that net in place of the model of its name."""
    from piyard.__main__ import run

    patch = pytest.MonkeyPatch()
    patch.setattr(runs, "load_or_add", lambda _names, **_options: [model()])
    patch.setattr(runs, "prepare_jobs", prepared)
    run()


if __name__ == "__main__":
    main()
