"""What names a build, and what is done for it, with a pretended compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from piyard.build import builder
from piyard.build.builder import (
    BUILD_SHELF,
    ElfFacts,
    Mounts,
    _progress_counter,
    build_recipe,
    open_workspace,
)
from piyard.build.recipe import TOOLCHAINS_FOLDER, CpuFeatures, Recipe, Toolchain
from piyard.build.source import GitIdentity, SdistIdentity, Source, load_source
from piyard.core.containers import CommandFailed
from piyard.core.errors import BuildFailed, WrongInput
from piyard.core.store import find_artifact, read_files, read_manifest
from piyard.core.target import load_target


def recipe(runner: Path, **changes: Any) -> Recipe:
    tools = Toolchain(
        cmake_file=TOOLCHAINS_FOLDER / "aarch64-linux-gnu.cmake",
        image_tag="piyard/cross:test",
        packages={"g++-14": "14.2.0", "tzdata": "2026"},
    )
    loaded = Recipe(
        target=load_target("rpi5"), source=load_source(), toolchain=tools, runner=runner
    )
    return msgspec.structs.replace(loaded, **changes)


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner" / "main.cpp").write_text("int main() {}")
    return tmp_path / "runner"


def test_all_targets_of_one_architecture_share_one_build(runner: Path) -> None:
    keys = {recipe(runner, target=load_target(n)).key for n in ("rpi5", "rpi4", "rpi3", "zero2w")}
    assert len(keys) == 1


def test_a_changed_runner_leaves_ncnn_alone(runner: Path) -> None:
    before = recipe(runner)
    (runner / "main.cpp").write_text("int main() { return 0; }")
    after = recipe(runner)
    assert after.ncnn_key == before.ncnn_key
    assert after.key != before.key
    assert before.is_stale
    assert not after.is_stale


def test_sources_that_change_under_the_compiler_give_no_build(
    runner: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(_self: PretendedWorkspace, _progress: object) -> None:
        (runner / "main.cpp").write_text("edited meanwhile")

    monkeypatch.setattr(PretendedWorkspace, "build", edit)
    how = recipe(runner)
    with pytest.raises(BuildFailed, match="changed while"):
        build_recipe(how)
    assert find_artifact(BUILD_SHELF, how.key) is None
    assert steps == ["ncnn", "nnrun"]


@pytest.mark.parametrize("changed", ["options", "compiler", "source", "cmake file"])
def test_whatever_changes_ncnn_changes_both_keys(runner: Path, changed: str) -> None:
    before = recipe(runner)
    after = {
        "options": lambda: recipe(
            runner, target=msgspec.structs.replace(before.target, cmake={"NCNN_INT8": False})
        ),
        "compiler": lambda: recipe(
            runner,
            toolchain=msgspec.structs.replace(before.toolchain, packages={"g++-14": "14.3.0"}),
        ),
        "source": lambda: recipe(runner, source=load_source("git")),
        "cmake file": lambda: recipe(
            runner,
            toolchain=msgspec.structs.replace(
                before.toolchain, cmake_file=TOOLCHAINS_FOLDER / "x86_64-linux-gnu.cmake"
            ),
        ),
    }[changed]()
    assert before.ncnn_key != after.ncnn_key
    assert before.key != after.key


def test_the_options_no_pi_has_are_off_and_the_version_is_pinned(runner: Path) -> None:
    options = recipe(runner).ncnn_options
    for name in ("ARM82FP16FML", "ARM84BF16", "ARM84I8MM", "ARM86SVE", "VULKAN", "BENCHMARK"):
        assert options[f"NCNN_{name}"] is False
    assert options["NCNN_RUNTIME_CPU"] is True
    assert options["NCNN_VERSION"] == "20261020"


def test_the_git_source_also_builds_upstreams_programs() -> None:
    options = load_source("git").options
    assert options["NCNN_BUILD_BENCHMARK"] is True
    assert load_source().options["NCNN_BUILD_BENCHMARK"] is False


def test_an_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(WrongInput, match="known: git, sdist"):
        load_source("svn")


def test_cpu_features_are_what_the_flags_say(runner: Path) -> None:
    assert recipe(runner).cpu_features == CpuFeatures(
        required="armv8-a", dispatched=["asimdhp", "asimddp"]
    )


class PretendedWorkspace:
    """Does what CMake would: installs a library or a program, and remembers the steps."""

    def __init__(self, folder: Path, mounts: Mounts, steps: list[str]) -> None:
        self.folder, self.mounts, self.steps = folder, mounts, steps

    def configure(self, _src: str, _prefix: str, options: dict[str, Any], _progress: Any) -> None:
        self.steps.append("nnrun" if "NNRUN_BUILD_ID" in options else "ncnn")

    def build(self, _progress: Any) -> None: ...

    def install(self, prefix: str, _progress: Any, *, strip: bool = False) -> None:
        if prefix == "/ncnn":
            (self.mounts["/ncnn"][0] / "libncnn.a").write_text("library")
            return
        assert strip
        binary = self.folder / "installed" / "bin" / "nnrun"
        binary.parent.mkdir(parents=True)
        binary.write_text("program")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    done: list[str] = []

    @contextmanager
    def workspace(_file: Path, mounts: Mounts) -> Iterator[PretendedWorkspace]:
        (tmp_path / f"work{len(done)}").mkdir()
        yield PretendedWorkspace(tmp_path / f"work{len(done)}", mounts, done)

    facts = ElfFacts(
        machine="aarch64", static=True, needed=[], glibc=None, page_alignment=65536, stripped=True
    )
    monkeypatch.setattr(builder, "open_workspace", workspace)
    monkeypatch.setattr(builder, "read_elf", lambda _path: facts)
    monkeypatch.setattr(Source, "folder", lambda _self: tmp_path)
    return done


def test_builds_once_then_only_what_changed(runner: Path, steps: list[str]) -> None:
    first = build_recipe(recipe(runner))
    assert steps == ["ncnn", "nnrun"]
    assert first.fresh
    assert not build_recipe(recipe(runner)).fresh
    (runner / "main.cpp").write_text("int main() { return 0; }")
    second = build_recipe(recipe(runner))
    assert steps == ["ncnn", "nnrun", "nnrun"]
    assert second.key != first.key


def test_the_manifest_tells_all_that_went_in(runner: Path, steps: list[str]) -> None:
    build = build_recipe(recipe(runner))
    assert steps
    assert build.manifest.elf.page_alignment == 65536
    assert build.manifest.compilers == {"g++-14": "14.2.0"}
    assert build.manifest.flags.ncnn["NCNN_VULKAN"] is False
    assert isinstance(build.manifest.ncnn.source, SdistIdentity)
    assert build.manifest.ncnn.source.sha256.startswith("ad8cdd63")
    assert set(read_files(build.folder)) == {"nnrun"}


def test_a_failed_command_shows_the_compilers_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_named: Any) -> None:
        raise CommandFailed(1, "error: 'x' was not declared")

    monkeypatch.setattr("piyard.core.containers.run_in_container", fail)
    monkeypatch.setattr("piyard.core.containers.connect_engine", object)
    monkeypatch.setattr("piyard.build.images.Image.ensure", lambda _self, _client: "tag")
    with (
        pytest.raises(BuildFailed) as caught,
        open_workspace(Path("x.cmake"), {}) as work,
    ):
        work.build(None)  # type: ignore[arg-type]
    assert "was not declared" in str(caught.value)
    assert caught.value.code == 5


def test_ninjas_count_is_the_progress() -> None:
    seen: list[tuple[float, float | None, str]] = []

    class Bar:
        def update(self, done: float, total: float | None, detail: str) -> None:
            seen.append((done, total, detail))

    follow = _progress_counter(Bar())  # type: ignore[arg-type]
    follow("-- Configuring done")
    follow("[12/345] Building CXX object src/CMakeFiles/ncnn.dir/layer/relu.cpp.o")
    assert seen == [(12, 345, "relu.cpp.o")]


def test_a_git_source_is_cloned_at_its_ref(tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    for argv in (
        ["init", "--quiet", "--initial-branch=main"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-qm", "one"],
        ["tag", "20261020"],
    ):
        subprocess.run(["git", "-C", str(upstream), *argv], check=True)
    pins = tmp_path / "ncnn.yaml"
    pins.write_text(
        f"default: git\nsources:\n  git: {{kind: git, url: '{upstream}', version: '1', "
        "ref: '20261020'}\noptions: {}\n"
    )
    folder = load_source(pins=pins).folder()
    assert len(read_manifest(folder, GitIdentity).commit) == 40
    assert not (folder / ".git").exists()
