"""The container engine: the only module that talks to Docker.

Commands go in as argv lists and run as the invoking user, so no root-owned file is left behind.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from piyard.core.cancel import wait_until
from piyard.core.errors import NotSetUp

if TYPE_CHECKING:
    from docker.models.containers import Container

    from docker import DockerClient


ENGINE_REMEDY = "run ./yard --setup, which installs and starts what is missing"
EVIDENCE_LINES = 25
REMOVE_LIMIT_S = 2.0
"""How long a requested container may take to exist."""
SCRATCH_HOME = "/tmp"  # noqa: S108 - inside a container of our own, gone with it

OnLine = Callable[[str], None]


class CommandFailed(Exception):
    """A command in a container failed; ``tail`` is the end of its output."""

    def __init__(self, code: int, tail: str) -> None:
        super().__init__(f"exit code {code}")
        self.code, self.tail = code, tail


def connect_engine() -> DockerClient:
    """The engine's client; raises ``NotSetUp`` when no engine answers."""
    import docker

    client: DockerClient | None = None
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        if client:
            client.close()
        raise _no_engine(error) from None
    return client


def _no_engine(error: Exception) -> NotSetUp:
    if "PermissionError" in str(error) or isinstance(error, PermissionError):
        return NotSetUp(
            "this user may not use the container engine",
            evidence=str(error),
            remedy="sudo usermod -aG docker $USER, then log in again (or: newgrp docker)",
        )
    return NotSetUp("no container engine answers", evidence=str(error), remedy=ENGINE_REMEDY)


def has_image(client: DockerClient, tag: str) -> bool:
    """Whether the engine has that image."""
    import docker

    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def pull_image(client: DockerClient, reference: str, platform: str) -> str | None:
    """Pull an image; its id, or None where no registry has it."""
    import requests

    import docker

    try:
        image = client.images.pull(reference, platform=platform)
    except (docker.errors.APIError, requests.exceptions.RequestException):
        return None
    return str(image.id)


def import_archive(client: DockerClient, archive: Path, tag: str) -> None:
    """Make an image from a root file system in a tar archive."""
    repository, _, version = tag.partition(":")
    client.api.import_image_from_file(str(archive), repository=repository, tag=version)


def build_image(
    client: DockerClient, context: Path, dockerfile: str, base: str, tag: str, on_line: OnLine
) -> None:
    """Build a Dockerfile whose ``BASE`` argument is ``base``; raises ``CommandFailed``."""
    events = client.api.build(
        path=str(context),
        dockerfile=dockerfile,
        buildargs={"BASE": base},
        tag=tag,
        rm=True,
        forcerm=True,
        decode=True,
    )
    lines: list[str] = []
    for event in events:
        if "error" in event:
            raise CommandFailed(1, _tail([*lines, str(event["error"])]))
        for line in str(event.get("stream", "")).splitlines():
            lines.append(line)
            on_line(line)


def run_in_container(
    client: DockerClient,
    image: str,
    argv: Sequence[str],
    *,
    mounts: Mapping[str, tuple[Path, str]],
    env: Mapping[str, str],
    workdir: str = "/",
    on_line: OnLine = lambda _line: None,
) -> list[str]:
    """Run ``argv`` in a fresh container as the invoking user and return its lines.

    ``mounts`` maps a path in the container to ``(host path, "ro" | "rw")``.
    Raises ``CommandFailed`` when it ends with an error.
    """
    with _container(client, image, argv, mounts, env, workdir) as container:
        lines = []
        for line in _decode_lines(container.logs(stream=True, follow=True)):
            lines.append(line)
            on_line(line)
        code = int(container.wait()["StatusCode"])
    if code:
        raise CommandFailed(code, _tail(lines))
    return lines


@contextmanager
def _container(
    client: DockerClient,
    image: str,
    argv: Sequence[str],
    mounts: Mapping[str, tuple[Path, str]],
    env: Mapping[str, str],
    workdir: str,
) -> Iterator[Container]:
    volumes = {str(host): {"bind": inside, "mode": mode} for inside, (host, mode) in mounts.items()}
    # Named beforehand, to be removed even when Ctrl-C comes before the engine's answer.
    name = f"piyard-{uuid.uuid4().hex}"
    try:
        yield client.containers.run(
            image,
            list(argv),
            name=name,
            detach=True,
            environment={"HOME": SCRATCH_HOME} | dict(env),
            init=True,
            network_mode="none",
            user=f"{os.getuid()}:{os.getgid()}",
            volumes=volumes,
            working_dir=workdir,
        )
    finally:
        wait_until(lambda: _remove(client, name), REMOVE_LIMIT_S)


def _remove(client: DockerClient, name: str) -> bool | None:
    """True once it is removed; None where it does not exist, or not yet."""
    import docker

    try:
        client.api.remove_container(name, force=True, v=True)
    except docker.errors.NotFound:
        return None
    return True


def _decode_lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace").rstrip("\r") for line in lines)
    if rest:
        yield rest.decode(errors="replace")


def _tail(lines: Sequence[str]) -> str:
    return "\n".join(lines[-EVIDENCE_LINES:])


def image_tags(client: DockerClient, prefix: str) -> list[str]:
    """The images whose tag begins with the prefix."""
    return sorted(t for image in client.images.list() for t in image.tags if t.startswith(prefix))
