"""What --host means: names, globs and tags of the inventory, or any address."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.board.fleet.inventory import BoardEntry
from piyard.board.fleet.selection import SelectedBoard, _select_by_text, select_board, select_boards
from piyard.core.errors import WrongInput

FLEET = """
boards:
  pi5-b: {host: pi5b.local, target: rpi5, tags: [lab, cooler]}
  pi5-a: {host: 10.0.0.5, port: 2222, user: me, target: rpi5, tags: [lab]}
  pi4: {host: pi4, target: rpi4, tags: ["desk: left", "[x]", "@home"]}
  twin: {host: emulated:rpi5}
"""


def names(selected: list[SelectedBoard]) -> list[str]:
    return [each.name for each in selected]


@pytest.fixture(autouse=True)
def fleet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "fleet.yaml"))
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return tmp_path / "fleet.yaml"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], []),
        (["pi4"], ["pi4"]),
        (["pi4", "pi5-b"], ["pi4", "pi5-b"]),
        (["pi5-*"], ["pi5-b", "pi5-a"]),
        (["pi?"], ["pi4"]),
        (["pi5-[a]"], ["pi5-a"]),
        (["pi5-[!a]"], ["pi5-b"]),
        (["[pt]*"], ["pi5-b", "pi5-a", "pi4", "twin"]),
        (["*"], ["pi5-b", "pi5-a", "pi4", "twin"]),
        (["@lab"], ["pi5-b", "pi5-a"]),
        (["@l*"], ["pi5-b", "pi5-a"]),
        (["@[cd]*"], ["pi5-b", "pi4"]),
        (["@desk: left"], ["pi4"]),
        (["@[x]"], ["pi4"]),
        (["@@home"], ["pi4"]),
        (["@*"], ["pi5-b", "pi5-a", "pi4"]),
    ],
)
def test_names_globs_and_tags_of_the_inventory(texts: list[str], expected: list[str]) -> None:
    assert names(select_boards(texts)) == expected


def test_each_board_once_in_the_order_asked_for() -> None:
    assert names(select_boards(["pi4", "@lab", "pi5-a", "*", "pi4"])) == [
        "pi4",
        "pi5-b",
        "pi5-a",
        "twin",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "pi5.local",
        "me@pi5.local:2222",
        "192.168.0.7",
        "[fe80::1]:22",
        "me@[fe80::1%eth0]:22",
        "emulated:rpi5",
        "emulated:rpi4/2",
    ],
)
def test_an_address_is_kept_as_typed(text: str) -> None:
    assert names(select_boards([text])) == [text]


@pytest.mark.parametrize("text", ["pi5", "pi5-c", "PI4", "lab"])
def test_a_word_near_a_name_may_be_an_alias_of_ssh(text: str) -> None:
    assert names(select_boards([text])) == [text]


@pytest.mark.parametrize(
    "text",
    ["", "-oProxyCommand=x", "a b", "a;b", "$(id)", "pi:0", "fe80::1", "emulated:", "emulated:x",
     "emulated:rpi5/0", "a\n", "../x"],
)  # fmt: skip
def test_refuses_what_is_neither(text: str) -> None:
    with pytest.raises(WrongInput) as caught:
        select_boards(["pi4", text])
    assert caught.value.code == 3
    assert caught.value.remedy


def test_a_tag_nobody_has_names_the_nearest_and_all() -> None:
    with pytest.raises(WrongInput) as caught:
        select_boards(["@coler"])
    assert caught.value.what == "no board has the tag 'coler', did you mean 'cooler'?"
    assert caught.value.remedy == "tags: @home, [x], cooler, desk: left, lab"


def test_a_glob_that_matches_nothing_names_the_nearest_and_all() -> None:
    with pytest.raises(WrongInput) as caught:
        select_boards(["pi6-*"])
    assert caught.value.what == "no board is called 'pi6-*', did you mean 'pi5-b'?"
    assert caught.value.remedy == "boards: pi5-b, pi5-a, pi4, twin"


@pytest.mark.parametrize("text", ["@lab", "@", "*", "emulated:*"])
def test_in_an_empty_inventory_nothing_matches(fleet: Path, text: str) -> None:
    fleet.unlink()
    with pytest.raises(WrongInput) as caught:
        select_boards([text])
    assert "invoke fleet.add --host" in caught.value.remedy


def test_an_empty_inventory_leaves_addresses(fleet: Path) -> None:
    fleet.unlink()
    assert names(select_boards(["pi5.local"])) == ["pi5.local"]


def test_every_is_the_whole_inventory() -> None:
    assert names(select_boards([], every=True)) == ["pi5-b", "pi5-a", "pi4", "twin"]


def test_every_board_of_none_says_how_to_add_one(fleet: Path) -> None:
    fleet.write_text("boards:\n")
    with pytest.raises(WrongInput, match="the inventory has no board") as caught:
        select_boards([], every=True)
    assert "invoke fleet.add --host …" in caught.value.remedy


def test_every_and_one_contradict_each_other() -> None:
    with pytest.raises(WrongInput, match="all boards are asked for, and 'pi4' too"):
        select_boards(["pi4"], every=True)


def test_a_broken_inventory_is_an_error_even_for_an_address(fleet: Path) -> None:
    fleet.write_text("boards: [\n")
    with pytest.raises(WrongInput, match=r"fleet\.yaml"):
        select_boards(["pi5.local"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pi5-a", BoardEntry(host="10.0.0.5", port=2222, user="me", target="rpi5", tags=["lab"])),
        ("twin", BoardEntry(host="emulated:rpi5")),
        ("pi5.local", BoardEntry(host="pi5.local")),
        ("me@pi5.local:2222", BoardEntry(host="pi5.local", user="me", port=2222)),
        ("me@[fe80::1%eth0]:22", BoardEntry(host="fe80::1%eth0", user="me", port=22)),
        ("emulated:rpi5", BoardEntry(host="emulated:rpi5")),
        ("emulated:rpi5/2", BoardEntry(host="emulated:rpi5/2")),
    ],
)
def test_every_chosen_name_has_an_entry(name: str, expected: BoardEntry) -> None:
    assert select_board(name).entry == expected


@pytest.mark.parametrize("text", ["pi5.local", "me@pi5.local:2222", "me@[fe80::1%eth0]:22"])
def test_the_entry_of_an_address_leads_there(text: str) -> None:
    assert str(select_board(text).entry.address) == text


def test_no_entry_for_what_cannot_be_a_board() -> None:
    with pytest.raises(WrongInput, match="is not a host"):
        select_board("pi5-*")


@given(st.text(max_size=20))
def test_whatever_is_typed_means_boards_or_is_refused(text: str) -> None:
    reference = {"a": BoardEntry(host="a", tags=["t"]), "b-1": BoardEntry(host="b")}
    try:
        names = _select_by_text(text, reference)
    except WrongInput:
        return
    assert names
    assert names == [text] or set(names) <= set(reference)
