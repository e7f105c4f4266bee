"""YAML files: what does not fit is refused with the file, the key and the nearest legal one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from piyard.core.config import Config, load_yaml
from piyard.core.errors import WrongInput
from piyard.core.paths import ROOT
from piyard.core.target import load_target, target_names, target_of_device


class Inner(Config, frozen=True, kw_only=True):
    depth: int = 0


class Outer(Config, frozen=True, kw_only=True):
    name: str
    inner: Inner = msgspec.field(default_factory=Inner)
    size: int = 1


def load(tmp_path: Path, text: str) -> Outer:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    return load_yaml(file, Outer)


def test_reads_a_file_into_its_struct(tmp_path: Path) -> None:
    assert load(tmp_path, "name: a\ninner: {depth: 2}\n") == Outer(name="a", inner=Inner(depth=2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nsise: 2\n", "did you mean 'size'?"),
        ("name: a\ninner: {dept: 2}\n", "did you mean 'depth'?"),
        ("name: a\nsize: two\n", "$.size"),
        ("size: 1\n", "missing required field `name`"),
        ("name: a\nname: b\n", "'name' is written twice"),
        ("name: [a\n", "x.yaml:2"),
        ("- a\n", "Expected `object`"),
        ("name: !!python/object/apply:os.system [true]\n", "x.yaml:1"),
    ],
)
def test_refuses_what_does_not_fit(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(WrongInput) as caught:
        load(tmp_path, text)
    assert expected in str(caught.value)
    assert "x.yaml" in str(caught.value)
    assert caught.value.code == 3


def test_refuses_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(WrongInput, match="cannot be read"):
        load_yaml(tmp_path / "x.yaml", Outer)


@pytest.mark.parametrize(
    ("name", "nearest"), [("rpi-5", "rpi5"), ("RPI4", "rpi4"), ("zero2", "zero2w")]
)
def test_an_unknown_target_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(WrongInput, match=f"did you mean '{nearest}'"):
        load_target(name)


@pytest.mark.parametrize("name", target_names())
def test_every_target_loads(name: str) -> None:
    kind = load_target(name)
    assert kind.cores >= 1
    assert (ROOT / "toolchains" / kind.toolchain).is_file()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "rpi5"),
        ("Raspberry Pi 500 Rev 1.0", "rpi5"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "rpi4"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "rpi3"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "zero2w"),
        ("Orange Pi 5", None),
        ("", None),
    ],
)
def test_a_board_names_its_target(model: str, name: str | None) -> None:
    assert target_of_device(model) == name
