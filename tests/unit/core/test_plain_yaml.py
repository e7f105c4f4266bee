"""YAML that somebody else wrote: plain data, or one line that says where it is not."""

from __future__ import annotations

import datetime as dt
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.board.fleet.inventory import _FleetFile, read_inventory
from piyard.core.config import load_yaml, parse_yaml, read_yaml
from piyard.core.errors import WrongInput
from piyard.core.paths import ROOT
from piyard.core.target import TargetDefinition
from piyard.models.definition import ModelDefinition

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
WRONG = {
    "a tag": ("a: !!timestamp 2026-01-01", "1: a tag"),
    "a tag of Python's": ("a: 1\nb: !!python/object/apply:os.system [id]", "2: a tag"),
    "a tag of one's own": ("!mine {a: 1}", "1: a tag"),
    "a set": ("!!set {a}", "1: a tag"),
    "flow nesting": ("a: " + "[" * 5000 + "]" * 5000, "nested deeper"),
    "block nesting": ("- " * 5000, "nested deeper"),
    "mappings in mappings": ("{a: " * 100 + "1" + "}" * 100, "nested deeper"),
    "a billion laughs": (LAUGHS, "aliases that stand for more than"),
    "a list of itself": ("a: &a [*a]", "aliases that stand for more than"),
    "a mapping of itself": ("a: &a {b: *a}", "aliases that stand for more than"),
    "an alias of nothing": ("a: *b", "undefined alias"),
    "a long number": ("a: " + "9" * 5000, "more than 40 digits"),
    "a long hexadecimal": ("a: 0x" + "f" * 5000, "more than 40 digits"),
    "a day there is not": ("b: 1\na: 2026-02-30", "2: '2026-02-30': day is out of range"),
    "a year there is not": ("a: 0000-01-01", "1: '0000-01-01': year 0 is out of range"),
    "an hour there is not": ("a: 2026-01-01 25:00:00", "hour must be in"),
    "a list as a key": ("? [a]\n: b", "a key must be"),
    "twice": ("a: 1\na: 2", "written twice"),
    "twice by its value": ("{1: a, 0x1: b}", "written twice"),
    "escapes": ("a: \x1b[2J", "special characters"),
    "two documents": ("a: 1\n---\na: 2", "another document"),
    "cut": ("a: [1,", "x.yaml:"),
    "a quote that does not end": ('a: "b', "x.yaml:"),
    "long": ("a: " + "b" * 2_000_000, "more than 1,000,000 characters"),
    "a merge with a number": ("a: {<<: 3}", "for merging"),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=list(WRONG))
def test_what_is_not_plain_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(WrongInput) as caught:
        read_yaml(tmp_path / "x.yaml")
    assert expected in caught.value.what
    assert "x.yaml" in caught.value.what
    assert len(caught.value.what.splitlines()) == 1
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 2026-02-28", {"a": dt.date(2026, 2, 28)}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("[1, 1.5, yes, null, text]", [1, 1.5, True, None, "text"]),
        ("", None),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_what_is_plain_is_what_it_says(text: str, value: Any) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize("day", ["2026-02-30", "2026-13-01", "0000-00-00", "99999-01-01", "soon"])
def test_a_day_there_is_not(tmp_path: Path, day: str) -> None:
    text = f"boards:\n  a: {{host: x, target: rpi5, price: 1, price_date: {day}}}\n"
    (tmp_path / "fleet.yaml").write_text(text)
    with pytest.raises(WrongInput, match=r"fleet\.yaml") as caught:
        read_inventory([tmp_path / "fleet.yaml"])
    assert len(caught.value.what.splitlines()) == 1


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan"])
def test_a_number_that_is_not_finite_is_named(tmp_path: Path, number: str) -> None:
    text = (ROOT / "targets" / "rpi5.yaml").read_text(encoding="utf-8")
    changed = re.sub(r"hot_c: [0-9.]+", f"hot_c: {number}", text)
    assert changed != text
    (tmp_path / "x.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(WrongInput, match=r"`\$\.conditions\.hot_c` is not a finite number"):
        load_yaml(tmp_path / "x.yaml", TargetDefinition)


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"title: caf\xe9\n")
    with pytest.raises(WrongInput, match=r"not UTF-8 \(byte 10\)") as caught:
        read_yaml(tmp_path / "x.yaml")
    assert "UTF-8" in caught.value.remedy


FLEET = "boards:\n  a:\n    host: x\n    target: rpi5\n    tags: [lab]\n"
FILES: list[tuple[str, Any]] = [
    ((ROOT / "targets" / "rpi5.yaml").read_text(encoding="utf-8"), TargetDefinition),
    ((ROOT / "models" / "resnet18.yaml").read_text(encoding="utf-8"), ModelDefinition),
    (FLEET, _FleetFile),
]
PIECES = [
    *("!!timestamp 9999999-01-01", "!!set {a}", "2026-02-30", "12:30:45", "&a ", "*a", "[" * 40),
    *("{", "]", "- ", ": ", "\n", "\n  ", "\t", "'", '"', "|", ">", "%", "@", "`", "\x1b[2J"),
    *("9" * 400, "-0.0", ".inf", "1e999", "null", "true", "~", "<<: ", "? ", "---\n", "\ud7ff"),
]


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), which=st.integers(0, len(FILES) - 1))
def test_changed_files_load_or_are_one_line(tmp_path_factory: Any, seed: int, which: int) -> None:
    draw, (text, type_) = random.Random(seed), FILES[which]
    for _ in range(draw.randint(1, 4)):
        at, end = sorted(draw.randrange(len(text) + 1) for _ in range(2))
        text = text[:at] + draw.choice(PIECES) + text[draw.choice((at, min(end, at + 9), end)) :]
    file = tmp_path_factory.getbasetemp() / f"changed-{which}.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        load_yaml(file, type_)
    except WrongInput as error:
        assert len(error.what.splitlines()) == 1  # noqa: PT017 - most of them load
        assert "\x1b" not in str(error)  # noqa: PT017
