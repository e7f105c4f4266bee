"""Their base is Debian trixie: pulled where a registry answers, else bootstrapped.

Without a registry mmdebstrap makes the base from the apt sources this machine already uses.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from piyard import digest, paths, say
from piyard.containers import engine
from piyard.errors import NotSetUp

if TYPE_CHECKING:
    from docker import DockerClient

SUITE = "trixie"
REGISTRY_IMAGE = f"debian:{SUITE}-slim"
DOCKER = paths.ROOT / "docker"
MERGED = ("bin", "sbin", "lib")


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
        return DOCKER / f"{self.name}.packages"


CROSS = Base(
    name="cross",
    platform="linux/amd64",
    architectures=["amd64", "arm64"],
    variant="minbase",
)
DEBIAN = {"aarch64": "arm64", "x86_64": "amd64"}


def board(arch: str) -> Base:
    """The base of a board, only unpacked: maintainer scripts under emulation would take minutes."""
    name = DEBIAN[arch]
    return Base(name="board", platform=f"linux/{name}", architectures=[name], variant="extract")


def get(client: DockerClient, base: Base) -> str:
    """The base image's tag or id: pulled, or bootstrapped once and kept."""
    tag = _bootstrap_tag(base)
    if engine.has_image(client, tag):
        return tag
    with say.step(f"pull {REGISTRY_IMAGE} for {base.platform}") as progress:
        pulled = engine.pull(client, REGISTRY_IMAGE, base.platform)
        progress.ok = pulled is not None
    if pulled:
        return pulled
    say.note("no container registry answers: making the base from this machine's apt sources")
    _bootstrap(client, base, tag)
    return tag


def packages(base: Base) -> list[str]:
    """The Debian packages listed for that base."""
    lines = base.packages_file.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _bootstrap_tag(base: Base) -> str:
    inputs = {"suite": SUITE, "packages": packages(base), "base": msgspec.to_builtins(base)}
    return f"piyard/base-{base.name}:{digest.of_value(inputs)[:12]}"


def _bootstrap(client: DockerClient, base: Base, tag: str) -> None:
    if not shutil.which("mmdebstrap"):
        raise NotSetUp(
            f"no container registry answers, and there is no mmdebstrap to make {base.name}'s base",
            remedy="apt-get install mmdebstrap, or let the engine reach a container registry",
        )
    with _scratch() as folder, say.step(f"bootstrap {SUITE} ({base.name})") as progress:
        archive = folder / "root.tar"
        _mmdebstrap(base, folder, archive, progress)
        engine.import_archive(client, archive, tag)


@contextmanager
def _scratch() -> Iterator[Path]:
    paths.cache().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="base-", dir=paths.cache()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mmdebstrap(base: Base, folder: Path, archive: Path, progress: say.Step) -> None:
    options = folder / "apt.conf"
    options.write_text(_apt_options())
    argv = [
        "mmdebstrap",
        f"--variant={base.variant}",
        f"--architectures={','.join(base.architectures)}",
        f"--include={','.join(packages(base))}",
        f"--aptopt={options}",
        *_merged_usr_hooks(base),
        SUITE,
        str(archive),
        *_mirror_lines(),
    ]
    _stream(argv, progress)


def _merged_usr_hooks(base: Base) -> list[str]:
    """Unpacking alone does not create the links /bin, /sbin and /lib into /usr."""
    if base.variant != "extract":
        return []
    links = " ".join(f'&& mkdir -p "$1/usr/{d}" && ln -s usr/{d} "$1/{d}"' for d in MERGED)
    return [f"--setup-hook=true {links}"]


def _stream(argv: Sequence[str], progress: say.Step) -> None:
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
            evidence="\n".join(lines[-engine.EVIDENCE_LINES :]),
            remedy="check that apt-get update works on this machine",
        )


def _mirror_lines() -> list[str]:
    """This machine's own Debian mirror as an apt source; none where it does not run Debian."""
    mirrors = sorted({uri for uri, label in _index_targets() if label == "Debian"})
    return [f"deb {uri} {SUITE} main" for uri in mirrors[:1]]


def _index_targets() -> list[tuple[str, str]]:
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"]
    lines = _apt(argv).splitlines()
    pairs = [line.split(" ", 1) for line in lines if " " in line]
    return [(uri, label.strip()) for uri, label in pairs]


def _apt_options() -> str:
    """The proxy and certificate settings apt needs here, for mmdebstrap and for the image."""
    settings = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    dump = _apt(["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"])
    return "".join(f"{line}\n" for line in dump.splitlines() if line.startswith(settings))


def _apt(argv: Sequence[str]) -> str:
    if not shutil.which(argv[0]):
        return ""
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
