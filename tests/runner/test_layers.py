"""nnrun's folders are layers: a file includes its own folder's and those before it; no circles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from piyard.core.paths import ROOT

RUNNER = ROOT / "runner"
SOURCES = RUNNER / "src"
INCLUDE = re.compile(r'^#include "([\w/]+)\.h"$', re.MULTILINE)
FILES = sorted(path for path in SOURCES.rglob("*") if path.suffix in {".h", ".cpp"})


def layers() -> list[str]:
    """From the lowest up, as CMake lists them."""
    text = (RUNNER / "sources.cmake").read_text()
    result = re.search(r"set\(NNRUN_LAYERS ([\w ]+)\)", text)
    assert result
    return result[1].split()


def includes(path: Path) -> set[str]:
    """The headers of ours it includes, without their suffix."""
    return set(INCLUDE.findall(path.read_text()))


def test_every_folder_is_a_layer() -> None:
    assert {path.name for path in SOURCES.iterdir() if path.is_dir()} == set(layers())
    assert [path.name for path in SOURCES.iterdir() if path.is_file()] == ["main.cpp"]


@pytest.mark.parametrize("layer", layers())
def test_includes_only_go_down(layer: str) -> None:
    allowed = layers()[: layers().index(layer) + 1]
    climbing = {
        f"{path.relative_to(SOURCES)} includes {header}.h"
        for path in FILES
        if path.parent.name == layer
        for header in includes(path)
        if header.split("/")[0] not in allowed
    }
    assert not climbing


def test_no_circle() -> None:
    """A header is ready when all that it includes is."""
    open_headers = {
        path.relative_to(SOURCES).with_suffix("").as_posix(): includes(path)
        for path in FILES
        if path.suffix == ".h"
    }
    while open_headers:
        ready = {name for name, needs in open_headers.items() if not needs & set(open_headers)}
        assert ready, f"a circle of headers among {sorted(open_headers)}"
        for name in ready:
            del open_headers[name]


NAMED = re.compile(r"\b(?:piyard|toolchains|runner/src|tests)/[\w./-]+\.\w+")


@pytest.mark.parametrize("folder", ["runner", "piyard", "benchmarks"])
def test_files_that_sources_name_exist(folder: str) -> None:
    """The desktop's twin of a function in C++, and the other way round."""
    sources = [
        path
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".h", ".cpp", ".py", ".md"} and path.is_file()
    ]
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources
        for name in NAMED.findall(path.read_text())
        if not (ROOT / name).exists()
    }
    assert not missing
