"""Real cross builds: what comes out, that nothing is done twice, and that bytes repeat."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from piyard.build.builder import Build, build_nnrun, build_recipe, read_elf
from piyard.build.source import Source
from piyard.core import containers
from piyard.core.errors import BuildFailed
from piyard.core.files import sha256_of_file
from piyard.core.target import load_target
from tests.integration.conftest import Invoke
from tests.support import tiny_ncnn

pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]


def test_nnrun_is_one_static_aarch64_program_for_any_page_size(rpi5_build: Build) -> None:
    facts = read_elf(rpi5_build.nnrun)
    assert (facts.machine, facts.static, facts.needed, facts.glibc) == ("aarch64", True, [], None)
    assert facts.page_alignment >= 16384
    assert facts == rpi5_build.manifest.elf


def test_all_pis_share_the_build(rpi5_build: Build) -> None:
    targets = map(load_target, ("rpi4", "rpi3", "zero2w"))
    assert {build_nnrun(target).key for target in targets} == {rpi5_build.key}


def test_nothing_changed_starts_no_container(
    rpi5_build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_engine() -> None:
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(containers, "connect_engine", no_engine)
    again = build_nnrun(load_target("rpi5"))
    assert (again.fresh, again.folder) == (False, rpi5_build.folder)


def test_the_task_prints_where_it_is(rpi5_build: Build, invoke: Invoke) -> None:
    done = invoke("build", "--target", "rpi5")
    assert done.stdout == f"{rpi5_build.folder}\n"
    assert "nothing changed" in done.stderr
    assert "static" in done.stderr


def test_what_is_made_belongs_to_who_asked(rpi5_build: Build) -> None:
    result = [rpi5_build.folder, *rpi5_build.folder.rglob("*")]
    assert {path.stat().st_uid for path in result} == {os.getuid()}


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_in_another_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither folder, nor time, nor a compiler cache may decide a byte."""
    here, how = tiny_ncnn.desktop(), tiny_ncnn.recipe("desktop")
    unpacked = how.source.folder()
    monkeypatch.setattr(Source, "folder", lambda _self: unpacked)
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "another" / "deeper" / "artifacts"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another" / "deeper" / "cache"))
    there = build_recipe(how)
    assert there.fresh
    assert there.folder != here.folder
    assert sha256_of_file(there.nnrun) == sha256_of_file(here.nnrun)


def test_a_compilers_error_is_shown(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(x CXX)\nadd_executable(nnrun x.cpp)\n"
    )
    (tmp_path / "x.cpp").write_text("int main() { return nonsense; }\n")
    how = msgspec.structs.replace(tiny_ncnn.recipe("desktop"), runner=tmp_path, runner_digest="")
    tiny_ncnn.desktop()
    with pytest.raises(BuildFailed) as caught:
        build_recipe(how)
    assert "'nonsense' was not declared" in str(caught.value)
    assert caught.value.code == 5
