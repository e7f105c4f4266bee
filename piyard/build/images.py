"""The images piyard makes: the cross compiler, and boards of an architecture.

A tag is a hash of the inputs, so a changed Dockerfile gives a new image and an unchanged one is
reused.

Their base is Debian trixie: pulled where a registry answers, else bootstrapped.

Without a registry mmdebstrap makes the base from the apt sources this machine already uses.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard.core import console, paths
from piyard.core.console import Step
from piyard.core.containers import (
    EVIDENCE_LINES,
    CommandFailed,
    build_image,
    has_image,
    import_archive,
    pull_image,
)
from piyard.core.errors import PROGRAM, NotSetUp
from piyard.core.files import sha256_of_files, sha256_of_value

if TYPE_CHECKING:
    from docker import DockerClient


_build_lock = threading.Lock()


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A Dockerfile in docker/ with the files it copies, on a base."""

    name: str
    base: Base
    copies: list[str]

    @property
    def tag(self) -> str:
        """``piyard/<name>:<hash of its inputs>``."""
        files = sha256_of_files(self._files())
        inputs = {"files": files, "base": msgspec.to_builtins(self.base), "suite": SUITE}
        return f"piyard/{self.name}:{sha256_of_value(inputs)[:12]}"

    def ensure(self, client: DockerClient) -> str:
        """The tag; the image is built if the engine does not have it."""
        with _build_lock:  # several boards start at once
            if not has_image(client, self.tag):
                self._build(client, get_base(client, self.base))
        return self.tag

    def _build(self, client: DockerClient, base_image: str) -> None:
        with console.step(f"build image {self.tag}") as progress:
            try:
                build_image(
                    client,
                    DOCKER_FOLDER,
                    f"{self.name}.Dockerfile",
                    base_image,
                    self.tag,
                    lambda line: progress.update(0, None, line[:50]),
                )
            except CommandFailed as error:
                raise NotSetUp(
                    f"image {self.tag} could not be built",
                    evidence=error.tail,
                    remedy=f"see the lines above; {PROGRAM} doctor checks the engine and emulation",
                ) from None

    def _files(self) -> list[Path]:
        return [DOCKER_FOLDER / name for name in (f"{self.name}.Dockerfile", *self.copies)]


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """How to get one base image."""

    name: str
    platform: str
    """In the registry's notation, ``linux/arm64``."""
    architectures: list[str]
    """Debian's names, the first one native to the image."""
    variant: str
    """mmdebstrap's: ``minbase`` runs maintainer scripts, ``extract`` only unpacks."""

    @property
    def packages_file(self) -> Path:
        """The packages the image needs, one a line."""
        return DOCKER_FOLDER / f"{self.name}.packages"


CROSS_BASE = Base(
    name="cross",
    platform="linux/amd64",
    architectures=["amd64", "arm64"],
    variant="minbase",
)

CROSS_IMAGE = Image(name="cross", base=CROSS_BASE, copies=["cross.packages"])


def board_image(arch: str) -> Image:
    """The image of boards of that architecture."""
    return Image(
        name="board",
        base=board_base(arch),
        copies=["board.packages", "board-setup.sh", "sshd_config"],
    )


SUITE = "trixie"
REGISTRY_IMAGE = f"debian:{SUITE}-slim"
DOCKER_FOLDER = paths.ROOT / "docker"
MERGED_FOLDERS = ("bin", "sbin", "lib")

DEBIAN_ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}


def board_base(arch: str) -> Base:
    """The base of a board, only unpacked: maintainer scripts under emulation would take minutes."""
    name = DEBIAN_ARCHITECTURES[arch]
    return Base(name="board", platform=f"linux/{name}", architectures=[name], variant="extract")


def get_base(client: DockerClient, base: Base) -> str:
    """The base image's tag or id: pulled, or bootstrapped once and kept."""
    tag = _bootstrap_tag(base)
    if has_image(client, tag):
        return tag
    with console.step(f"pull {REGISTRY_IMAGE} for {base.platform}") as progress:
        pulled = pull_image(client, REGISTRY_IMAGE, base.platform)
        progress.ok = pulled is not None
    if pulled:
        return pulled
    console.info("no container registry answers: making the base from this machine's apt sources")
    _bootstrap(client, base, tag)
    return tag


def listed_packages(base: Base) -> list[str]:
    """The Debian packages listed for that base."""
    lines = base.packages_file.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _bootstrap_tag(base: Base) -> str:
    inputs = {"suite": SUITE, "packages": listed_packages(base), "base": msgspec.to_builtins(base)}
    return f"piyard/base-{base.name}:{sha256_of_value(inputs)[:12]}"


def _bootstrap(client: DockerClient, base: Base, tag: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise NotSetUp(
            f"no container registry answers, and there is no mmdebstrap to make {base.name}'s base",
            remedy="apt-get install mmdebstrap, or let the engine reach a container registry",
        )
    with _scratch_folder() as folder, console.step(f"bootstrap {SUITE} ({base.name})") as progress:
        archive = folder / "root.tar"
        _mmdebstrap(base, folder, archive, progress)
        import_archive(client, archive, tag)


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    paths.cache().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="base-", dir=paths.cache()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mmdebstrap(base: Base, folder: Path, archive: Path, progress: Step) -> None:
    options = folder / "apt.conf"
    options.write_text(_apt_options())
    argv = [
        "mmdebstrap",
        f"--variant={base.variant}",
        f"--architectures={','.join(base.architectures)}",
        f"--include={','.join(listed_packages(base))}",
        f"--aptopt={options}",
        *_merged_usr_hooks(base),
        SUITE,
        str(archive),
        *_mirror_lines(),
    ]
    _run_with_progress(argv, progress)


def _merged_usr_hooks(base: Base) -> list[str]:
    """Unpacking alone does not create the links /bin, /sbin and /lib into /usr."""
    if base.variant != "extract":
        return []
    links = " ".join(f'&& mkdir -p "$1/usr/{d}" && ln -s usr/{d} "$1/{d}"' for d in MERGED_FOLDERS)
    return [f"--setup-hook=true {links}"]


def _run_with_progress(argv: Sequence[str], progress: Step) -> None:
    lines: list[str] = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            for line in run.stdout or ():
                lines.append(line.rstrip())
                progress.update(0, None, line.strip()[:50])
        except BaseException:
            run.terminate()  # then it removes its own folders
            run.wait()
            raise
    if run.returncode:
        raise NotSetUp(
            "mmdebstrap could not make a base image",
            evidence="\n".join(lines[-EVIDENCE_LINES:]),
            remedy="check that apt-get update works on this machine",
        )


def _mirror_lines() -> list[str]:
    """This machine's own Debian mirror as an apt source; none where it does not run Debian."""
    mirrors = sorted({uri for uri, label in _index_targets() if label == "Debian"})
    return [f"deb {uri} {SUITE} main" for uri in mirrors[:1]]


def _index_targets() -> list[tuple[str, str]]:
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"]
    lines = _run_apt(argv).splitlines()
    pairs = [line.split(" ", 1) for line in lines if " " in line]
    return [(uri, label.strip()) for uri, label in pairs]


def _apt_options() -> str:
    """The proxy and certificate settings apt needs here, for mmdebstrap and for the image."""
    settings = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    dump = _run_apt(["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"])
    return "".join(f"{line}\n" for line in dump.splitlines() if line.startswith(settings))


def _run_apt(argv: Sequence[str]) -> str:
    if not shutil.which(argv[0]):
        return ""
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
