"""Boards come and go in a fleet file, and whatever else a person wrote there stays."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import re
import stat
import sys
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.board.fleet.editing import FLEET_HEADER, add_board, remove_board
from piyard.board.fleet.inventory import (
    BOARD_NAME,
    BoardEntry,
    checkout_fleet_file,
    load_inventory,
    read_inventory,
    user_fleet_file,
)
from piyard.core.errors import WrongInput
from piyard.core.paths import ROOT

LAB = """\
%YAML 1.1
---
# The lab, as of spring.


boards:

  # ---- shelf one ----
  pi5-a:          # the loud one
    host:   pi5.local
    tags: [lab,cooler]
    price: 80.50
    price_date: 2026-01-15

  # ---- shelf two ----
  pi4:
    notes: |
      First line

      # no comment
    host: "pi4.local"   # in quotes
    tags:
    - desk
    # user: me

    # about no board

  # ---- shelf three ----
  'zero':   {host: 'zero',
             port: 0x16}

  # ---- the end ----
# really
"""
PI5_A = """\
  pi5-a:          # the loud one
    host:   pi5.local
    tags: [lab,cooler]
    price: 80.50
    price_date: 2026-01-15
"""
PI4 = """\
  pi4:
    notes: |
      First line

      # no comment
    host: "pi4.local"   # in quotes
    tags:
    - desk
    # user: me
"""
ZERO = """\
  'zero':   {host: 'zero',
             port: 0x16}
"""
NEW = "  new:\n    host: new.local\n"


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "lab" / "fleet.yaml"))
    (tmp_path / "lab").mkdir()
    return tmp_path / "lab" / "fleet.yaml"


@pytest.fixture
def user() -> Path:
    user_fleet_file().parent.mkdir(parents=True)
    return user_fleet_file()


def alone(file: Path) -> bool:
    return list(file.parent.iterdir()) == [file]


def after_adding(file: Path, content: str) -> str:
    file.write_bytes(content.encode())
    add_board("new", BoardEntry(host="new.local"), file)
    return file.read_bytes().decode()


# Adding.


def test_a_new_file_says_what_it_is() -> None:
    add_board("new", BoardEntry(host="new.local"), user_fleet_file())
    first, *rest = user_fleet_file().read_text().splitlines(keepends=True)
    assert first == FLEET_HEADER
    assert "".join(rest) == "boards:\n" + NEW
    assert load_inventory() == {"new": BoardEntry(host="new.local")}


def test_writes_only_what_differs_from_the_defaults(checkout: Path) -> None:
    entry = BoardEntry(
        host="pi5.local",
        port=2222,
        target="rpi5",
        tags=["lab", "a, b"],
        sudo=True,
        price=80,
        price_date=dt.date(2026, 1, 15),
        notes="two\nlines",
    )
    add_board("pi5-a", entry, checkout)
    assert checkout.read_text() == FLEET_HEADER + (
        "boards:\n"
        "  pi5-a:\n"
        "    host: pi5.local\n"
        "    port: 2222\n"
        "    target: rpi5\n"
        "    tags: [lab, 'a, b']\n"
        "    sudo: true\n"
        "    price: 80\n"
        "    price_date: 2026-01-15\n"
        '    notes: "two\\nlines"\n'
    )


def test_writes_a_board_of_labgrid(checkout: Path) -> None:
    entry = BoardEntry(
        source="labgrid", place_tags={"board": "rpi5", "no": "yes"}, coordinator="f:1"
    )
    add_board("farm", entry, checkout)
    assert load_inventory() == {"farm": entry}


def test_adding_touches_no_other_byte(checkout: Path) -> None:
    changed = after_adding(checkout, LAB)
    before, after = LAB.split(ZERO)
    assert changed.replace(NEW, "") == LAB
    assert changed == before + ZERO + NEW + after
    assert list(load_inventory()) == ["pi5-a", "pi4", "zero", "new"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", FLEET_HEADER + "boards:\n" + NEW),
        ("# none yet", "# none yet\nboards:\n" + NEW),
        ("---\n", "---\nboards:\n" + NEW),
        ("boards:\n", "boards:\n" + NEW),
        ("boards:", "boards:\n" + NEW),
        ("boards: # mine\n# end\n", "boards: # mine\n" + NEW + "# end\n"),
        ("boards:\n  # a: {host: a}\n\n# end", "boards:\n  # a: {host: a}\n" + NEW + "\n# end"),
        ("boards: {}\n", "boards:\n" + NEW),
        ("boards: {}  # none\n", "boards:  # none\n" + NEW),
        ("boards: ~\n\n\n", "boards:\n" + NEW + "\n\n"),
        ("boards:\n  a: {host: a}", "boards:\n  a: {host: a}\n" + NEW),
        ("boards:\n a:\n  host: a\n", "boards:\n a:\n  host: a\n new:\n   host: new.local\n"),
        ("boards:\r\n  a: {host: a}\r\n# end\r\n",
         "boards:\r\n  a: {host: a}\r\n" + NEW.replace("\n", "\r\n") + "# end\r\n"),
        ("\ufeffboards:\n  a: {host: a}\n", "\ufeffboards:\n  a: {host: a}\n" + NEW),
        ("boards:\n  a:\n    host: a\n    notes: |\n      x\n\n\n",
         "boards:\n  a:\n    host: a\n    notes: |\n      x\n" + NEW + "\n\n"),
        ("boards:\n  a: {host: a}\n...\n", "boards:\n  a: {host: a}\n" + NEW + "...\n"),
    ],
)  # fmt: skip
def test_adds_to_whatever_is_there(checkout: Path, content: str, expected: str) -> None:
    assert after_adding(checkout, content) == expected
    assert load_inventory()["new"] == BoardEntry(host="new.local")


@pytest.mark.parametrize(
    "content",
    [
        "boards: {a: {host: a}}\n",
        "boards: {\n  a: {host: a}\n}\n",
        "{boards: }\n",
        "{}\n",
        "boards:\n  a:\n    host: a\n    notes: |\n      no line end",
        "boards:\n  a:\n    host: a\n    notes: |+\n      three line ends\n\n\n",
    ],
)
def test_what_only_a_person_can_change_is_shown_and_left_alone(
    checkout: Path, content: str
) -> None:
    with pytest.raises(WrongInput) as caught:
        after_adding(checkout, content)
    assert caught.value.what == f"{checkout} cannot be edited automatically"
    assert caught.value.evidence == "new:\n  host: new.local\n"
    assert caught.value.remedy == "write these lines there"
    assert checkout.read_text() == content
    assert alone(checkout)


@pytest.mark.parametrize("holder", ["checkout", "user", "other"])
def test_refuses_a_name_that_is_taken(checkout: Path, user: Path, holder: str) -> None:
    other = checkout.with_name("other.yaml")
    file = {"checkout": checkout, "user": user, "other": other}[holder]
    file.write_text("boards:\n  new: {host: x}\n")
    with pytest.raises(WrongInput) as caught:
        add_board("new", BoardEntry(host="new.local"), other)
    assert caught.value.what == f"there is a board 'new' already, in {file}"
    assert "invoke fleet.remove" in caught.value.remedy
    assert file.read_text() == "boards:\n  new: {host: x}\n"


@pytest.mark.parametrize("name", ["", "@lab", "-x", "pi*", "a/b", "a: b", "a\n", "ä"])
def test_refuses_a_name_that_cannot_be_one(checkout: Path, name: str) -> None:
    with pytest.raises(WrongInput, match="cannot be the name of a board"):
        add_board(name, BoardEntry(host="x"), checkout)
    assert not checkout.exists()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (BoardEntry(), "host: is missing"),
        (BoardEntry(host="a b"), "'a b' is not a host"),
        (BoardEntry(host="x", target="rpi-5"), "did you mean 'rpi5'?"),
        (BoardEntry(host="x", port=70000), "$.port"),
        (BoardEntry(host="x", price=float("nan")), "$.price"),
        (BoardEntry(host="x", notes="\udcff"), "notes: is not Unicode"),
        (BoardEntry(host="x", tags=["a", ""]), "tags: one is empty"),
    ],
)
def test_refuses_a_board_that_is_not_valid(
    checkout: Path, entry: BoardEntry, expected: str
) -> None:
    with pytest.raises(WrongInput, match=re.escape(expected)) as caught:
        add_board("new", entry, checkout)
    assert caught.value.what.startswith(f"{checkout}: board 'new': ")
    assert not checkout.exists()


@pytest.mark.parametrize("broken", ["boards: [\n", "borads:\n", "boards:\n  a: {hots: x}\n"])
def test_a_file_that_is_not_valid_is_left_alone(checkout: Path, broken: str) -> None:
    checkout.write_text(broken)
    for change in (
        lambda: add_board("new", BoardEntry(host="x"), checkout),
        lambda: add_board("new", BoardEntry(host="x"), user_fleet_file()),
        lambda: remove_board("a"),
    ):
        with pytest.raises(WrongInput, match=r"fleet\.yaml"):
            change()
    assert checkout.read_text() == broken
    assert not user_fleet_file().exists()
    assert alone(checkout)


# Removing.


@pytest.mark.parametrize(("name", "block"), [("pi5-a", PI5_A), ("pi4", PI4), ("zero", ZERO)])
def test_removing_touches_no_other_byte(checkout: Path, name: str, block: str) -> None:
    checkout.write_text(LAB)
    assert remove_board(name) == checkout
    assert checkout.read_text() == LAB.replace(block, "")
    assert name not in load_inventory()


def test_what_is_added_and_removed_leaves_no_trace(checkout: Path) -> None:
    after_adding(checkout, LAB)
    remove_board("new")
    assert checkout.read_text() == LAB


def test_the_last_board_may_go(checkout: Path) -> None:
    checkout.write_text("boards: # mine\n  a:\n    host: a\n# end\n")
    remove_board("a")
    assert checkout.read_text() == "boards: # mine\n# end\n"
    assert load_inventory() == {}


def test_removes_from_every_file_and_says_so(
    checkout: Path, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.write_text("boards:\n  a: {target: rpi5}\n  b: {host: b}\n")
    user.write_text("boards:\n  # mine\n  a: {host: a}\n")
    assert remove_board("a") == checkout
    assert checkout.read_text() == "boards:\n  b: {host: b}\n"
    assert user.read_text() == "boards:\n  # mine\n"
    said = capsys.readouterr().err.splitlines()
    assert said == [f"a is no longer in {checkout}", f"a is no longer in {user}"]


def test_removes_from_the_only_file_that_has_it(checkout: Path, user: Path) -> None:
    checkout.write_text("boards: {b: {host: b}}\n")
    user.write_text("boards:\n  a: {host: a}\n")
    assert remove_board("a") == user
    assert checkout.read_text() == "boards: {b: {host: b}}\n"


def test_an_unknown_board_names_the_nearest(checkout: Path) -> None:
    checkout.write_text(LAB)
    with pytest.raises(WrongInput) as caught:
        remove_board("pi5-b")
    assert caught.value.what == "unknown board 'pi5-b', did you mean 'pi5-a'?"
    assert caught.value.remedy == "known: pi4, pi5-a, zero"
    assert checkout.read_text() == LAB


def test_no_board_can_be_removed_from_an_empty_fleet(checkout: Path) -> None:
    with pytest.raises(WrongInput, match="unknown board 'a'"):
        remove_board("a")
    assert not checkout.exists()


@pytest.mark.parametrize(
    "content",
    [
        "boards: {a: {host: a}, b: {host: b}}\n",
        "boards:\n  a: &common {host: a}\n  b: *common\n",
        "boards:\n  a:\n    host: a\n    tags: &t [x]\n  b:\n    host: b\n    tags: *t\n",
    ],
)
def test_a_board_that_only_a_person_can_remove_stays(checkout: Path, content: str) -> None:
    checkout.write_text(content)
    with pytest.raises(WrongInput, match="cannot be edited automatically") as caught:
        remove_board("a")
    assert caught.value.remedy == "delete 'a' there"
    assert checkout.read_text() == content
    assert alone(checkout)


def test_a_board_that_refers_to_another_can_be_removed(checkout: Path) -> None:
    checkout.write_text("boards:\n  a: &a\n    host: a\n  b: *a\n  c: *a\n")
    remove_board("b")
    assert checkout.read_text() == "boards:\n  a: &a\n    host: a\n  c: *a\n"


# Files.


def test_the_mode_of_the_file_stays(checkout: Path) -> None:
    checkout.write_text(LAB)
    checkout.chmod(0o664)
    add_board("new", BoardEntry(host="x"), checkout)
    remove_board("new")
    assert stat.S_IMODE(checkout.stat().st_mode) == 0o664


def test_a_link_stays_a_link(checkout: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "fleet.yaml"
    real.parent.mkdir()
    real.write_text(LAB)
    checkout.symlink_to(real)
    add_board("new", BoardEntry(host="x"), checkout)
    assert checkout.is_symlink()
    assert "new" in real.read_text()
    remove_board("new")
    assert checkout.is_symlink()
    assert real.read_text() == LAB


def test_a_link_may_lead_to_a_file_still_to_be_made(checkout: Path, tmp_path: Path) -> None:
    checkout.symlink_to(tmp_path / "dotfiles" / "fleet.yaml")
    add_board("new", BoardEntry(host="x"), checkout)
    assert (tmp_path / "dotfiles" / "fleet.yaml").is_file()


def test_both_names_may_lead_to_one_file(checkout: Path, user: Path) -> None:
    checkout.write_text(LAB)
    user.symlink_to(checkout)
    add_board("new", BoardEntry(host="x"), user)
    remove_board("new")
    assert checkout.read_text() == LAB


def test_another_spelling_of_the_path_is_the_same_file(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.write_text(LAB)
    monkeypatch.chdir(checkout.parent)
    add_board("new", BoardEntry(host="x"), Path("fleet.yaml"))
    assert checkout.read_text().count("new:") == 1


def test_nothing_but_the_file_is_left_in_its_folder(checkout: Path) -> None:
    add_board("new", BoardEntry(host="x"), checkout)
    remove_board("new")
    assert alone(checkout)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WrongInput) as caught:
        add_board("new", BoardEntry(host="x"), tmp_path / "file" / "fleet.yaml")
    assert caught.value.what == f"{tmp_path / 'file'}: File exists"
    assert caught.value.remedy


# Whatever is written.

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
NASTY = st.sampled_from(
    ["no", "~", "1:30", "0x1F", "1_000", "2026-01-15", "=", "<<", "$(reboot)", "`id`", "a: b",
     " #", "\u2028", "\x85", "\ufeff", "\x00", "\t", "\r\n", "'", '"', "\\", "- x", "{{x}}", "%",
     "é", "🥧", "word " * 60]
)  # fmt: skip
NAMES = st.from_regex(BOARD_NAME, fullmatch=True) | st.sampled_from(["no", "1e3", "0x1F", "5"])


@settings(deadline=None, max_examples=60)
@given(
    name=NAMES,
    notes=NASTY | TEXTS,
    tags=st.lists(NASTY | TEXTS, max_size=4),
    place_tags=st.dictionaries(NASTY | TEXTS, NASTY | TEXTS, max_size=3),
    price=st.none() | st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    price_date=st.none() | st.dates(),
)
def test_what_is_written_is_read(name, notes, tags, place_tags, price, price_date) -> None:
    ssh = BoardEntry(host="x", notes=notes, tags=tags, price=price, price_date=price_date)
    farm = BoardEntry(source="labgrid", place="p", place_tags=place_tags, notes=notes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fleet.yaml"
        file.write_text(LAB)
        add_board(name, ssh, file)
        add_board(f"{name}.farm", farm, file)
        read = read_inventory([file])
        assert (read[name], read[f"{name}.farm"]) == (ssh, farm)
        file.rename(checkout_fleet_file())
        remove_board(name)
        remove_board(f"{name}.farm")
        assert checkout_fleet_file().read_text() == LAB


def test_a_very_long_name_is_a_name(checkout: Path) -> None:
    add_board("a" * 200, BoardEntry(host="x"), checkout)
    add_board("b", BoardEntry(host="x"), checkout)
    remove_board("a" * 200)
    assert list(load_inventory()) == ["b"]


# At once.


def test_threads_lose_nothing(checkout: Path) -> None:
    checkout.write_text(LAB)
    names = [f"t{number}" for number in range(12)]
    threads = [
        threading.Thread(target=add_board, args=(name, BoardEntry(host=name), checkout))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(load_inventory()) == {"pi5-a", "pi4", "zero", *names}


def test_processes_lose_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    checkout.write_text(LAB)
    names = [f"p{number}" for number in range(12)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        added = [pool.submit(add_board, name, BoardEntry(host=name), checkout) for name in names]
        removed = pool.submit(remove_board, "zero")
        for change in added:
            change.result()
        assert removed.result() == checkout
    assert set(load_inventory()) == {"pi5-a", "pi4", *names}
    assert checkout.read_text().startswith(LAB.split(ZERO, maxsplit=1)[0])
