"""piyard.build.engine: which bytes an engine's programs are of, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from piyard.build import engine
from piyard.build.engine import EngineRecipe, load_engine_pin, plan_engine
from piyard.build.recipe import Toolchain
from piyard.core.errors import WrongInput
from piyard.core.store import key_of
from piyard.core.target import load_target

PINS = """
other:
  title: Other
  licence: MIT
  source: {kind: sdist, package: other, version: "1", file: other-1.tar.gz, sha256: "0123",
    options: {ARCH: armv8-a}}
  folder: FOLDER
  march_option: ARCH
  programs: [bench]
"""


def test_the_pinned_engine_is_known_by_its_digest() -> None:
    pin = load_engine_pin("llama.cpp")
    assert len(pin.source.sha256) == 64
    assert pin.source.version in pin.source.file
    assert pin.source.options["GGML_NATIVE"] is False
    assert "llama-bench" in pin.programs


def test_an_unknown_engine_is_named_with_the_nearest() -> None:
    with pytest.raises(WrongInput, match=r"llama\.cpp"):
        load_engine_pin("llama.cp")


@pytest.mark.parametrize("folder", ["/etc", "../x", "a/../../x"])
def test_a_folder_outside_the_archive_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "engines.yaml").write_text(PINS.replace("FOLDER", folder))
    with pytest.raises(WrongInput, match="is not inside the archive"):
        load_engine_pin("other", tmp_path / "engines.yaml")


def test_an_engine_says_which_cpu_it_needs(tmp_path: Path) -> None:
    (tmp_path / "engines.yaml").write_text(PINS.replace("{ARCH: armv8-a}", "{}"))
    with pytest.raises(WrongInput, match="march_option names no option: 'ARCH'"):
        load_engine_pin("other", tmp_path / "engines.yaml")


def test_another_processor_is_refused() -> None:
    with pytest.raises(WrongInput, match="aarch64 only"):
        plan_engine("llama.cpp", load_target("desktop"))


def test_options_and_programs_decide_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "gcc.cmake").write_text("")
    toolchain = Toolchain(cmake_file=tmp_path / "gcc.cmake", image_tag="cross:1", packages={})

    def key(text: str) -> str:
        (tmp_path / "engines.yaml").write_text(text.replace("FOLDER", "."))
        pin = engine.load_engine_pin("other", tmp_path / "engines.yaml")
        return key_of(EngineRecipe(pin=pin, toolchain=toolchain).inputs)

    assert key(PINS) == key(PINS.replace("title: Other", "title: Another"))
    assert (
        len({key(PINS), key(PINS.replace("[bench]", "[b]")), key(PINS.replace("0123", "4"))}) == 3
    )
