"""The images piyard makes: the cross compiler, and boards of an architecture.

A tag is a hash of the inputs, so a changed Dockerfile gives a new image and an unchanged one is
reused.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import digest, say
from piyard.containers import base, engine
from piyard.containers.base import DOCKER, Base
from piyard.containers.engine import CommandFailed
from piyard.errors import NotSetUp

if TYPE_CHECKING:
    from docker import DockerClient

_one_at_a_time = threading.Lock()


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A Dockerfile in docker/ with the files it copies, on a base."""

    name: str
    base: Base
    copies: list[str]

    @property
    def tag(self) -> str:
        """``piyard/<name>:<hash of its inputs>``."""
        files = digest.of_files(self._files())
        inputs = {"files": files, "base": msgspec.to_builtins(self.base), "suite": base.SUITE}
        return f"piyard/{self.name}:{digest.of_value(inputs)[:12]}"

    def ensure(self, client: DockerClient) -> str:
        """The tag; the image is built if the engine does not have it."""
        with _one_at_a_time:  # several boards start at once
            if not engine.has_image(client, self.tag):
                self._build(client, base.get(client, self.base))
        return self.tag

    def _build(self, client: DockerClient, base_image: str) -> None:
        with say.step(f"build image {self.tag}") as progress:
            try:
                engine.build_image(
                    client,
                    DOCKER,
                    f"{self.name}.Dockerfile",
                    base_image,
                    self.tag,
                    lambda line: progress.update(0, None, line[:50]),
                )
            except CommandFailed as error:
                raise NotSetUp(
                    f"image {self.tag} could not be built",
                    evidence=error.tail,
                    remedy="see the lines above; invoke doctor checks the engine and emulation",
                ) from None

    def _files(self) -> list[Path]:
        return [DOCKER / name for name in (f"{self.name}.Dockerfile", *self.copies)]


CROSS = Image(name="cross", base=base.CROSS, copies=["cross.packages"])


def board(arch: str) -> Image:
    """The image of boards of that architecture."""
    return Image(
        name="board",
        base=base.board(arch),
        copies=["board.packages", "board-setup.sh", "sshd_config"],
    )
