"""The inventory: two files that read as one, and what is refused with file, board and key."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from piyard.board.fleet.inventory import (
    BoardEntry,
    checkout_fleet_file,
    is_address,
    load_inventory,
    user_fleet_file,
)
from piyard.board.ssh.address import Address
from piyard.core.errors import WrongInput
from piyard.core.paths import ROOT


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PIYARD_FLEET", str(tmp_path / "checkout.yaml"))
    return tmp_path / "checkout.yaml"


@pytest.fixture
def user() -> Path:
    user_fleet_file().parent.mkdir(parents=True)
    return user_fleet_file()


def make_one(file: Path, *keys: str) -> BoardEntry:
    """The board ``b`` of a file that gives it these keys."""
    file.write_text("boards:\n  b:\n" + "".join(f"    {key}\n" for key in keys), encoding="utf-8")
    return load_inventory()["b"]


def refusal(file: Path, *keys: str) -> WrongInput:
    with pytest.raises(WrongInput) as caught:
        make_one(file, *keys)
    assert caught.value.what.startswith(f"{file}: board 'b': ")
    assert "\n" not in caught.value.what
    assert caught.value.remedy
    return caught.value


def test_reads_every_key(checkout: Path) -> None:
    read = make_one(
        checkout,
        "host: pi5.local",
        "port: 2222",
        "user: pi",
        "key: ~/.ssh/lab",
        "target: rpi5",
        "tags: [lab, cooler]",
        "jump: me@gate:2200",
        "sudo: true",
        "price: 80",
        "price_date: 2026-01-15",
        'notes: "top shelf: left"',
    )
    assert read == BoardEntry(
        host="pi5.local",
        port=2222,
        user="pi",
        key="~/.ssh/lab",
        target="rpi5",
        tags=["lab", "cooler"],
        jump="me@gate:2200",
        sudo=True,
        price=80.0,
        price_date=dt.date(2026, 1, 15),
        notes="top shelf: left",
    )


def test_reads_a_board_of_labgrid(checkout: Path) -> None:
    read = make_one(
        checkout,
        "source: labgrid",
        "place_tags: {board: rpi5}",
        "coordinator: farm.example:20408",
        "user: pi",
    )
    assert read == BoardEntry(
        source="labgrid",
        place_tags={"board": "rpi5"},
        coordinator="farm.example:20408",
        user="pi",
    )
    assert make_one(checkout, "source: labgrid", "place: rpi5-1").place == "rpi5-1"


def test_a_host_is_enough(checkout: Path) -> None:
    assert make_one(checkout, "host: pi") == BoardEntry(host="pi")


@pytest.mark.parametrize("content", [None, "", "\n", "# none yet\n", "---\n", "boards:\n", "{}\n"])
def test_a_fleet_may_be_empty(checkout: Path, content: str | None) -> None:
    if content is not None:
        checkout.write_text(content)
    assert load_inventory() == {}
    assert "pi5-a" not in load_inventory()


def test_finds_a_board_by_its_name(checkout: Path) -> None:
    assert make_one(checkout, "host: pi5.local") == load_inventory()["b"]
    assert "B" not in load_inventory()


def test_the_files_are_one_fleet_in_their_order(checkout: Path, user: Path) -> None:
    checkout.write_text("boards:\n  z: {host: z}\n  a: {host: a}\n")
    user.write_text("boards:\n  m: {host: m}\n")
    assert list(load_inventory()) == ["z", "a", "m"]


def test_the_users_keys_override_one_by_one(checkout: Path, user: Path) -> None:
    checkout.write_text("boards:\n  a: {host: a, user: pi, tags: [lab], sudo: true}\n")
    user.write_text("boards:\n  a: {user: me, tags: [desk], notes: mine}\n")
    assert load_inventory() == {
        "a": BoardEntry(host="a", user="me", tags=["desk"], sudo=True, notes="mine")
    }


def test_what_a_file_leaves_out_the_other_may_say(checkout: Path, user: Path) -> None:
    checkout.write_text("boards:\n  a: {target: rpi5}\n")
    user.write_text("boards:\n  a: {host: a}\n")
    assert load_inventory() == {"a": BoardEntry(host="a", target="rpi5")}


def test_an_error_of_two_files_names_both(checkout: Path, user: Path) -> None:
    checkout.write_text("boards:\n  a: {host: a}\n")
    user.write_text("boards:\n  a: {source: labgrid}\n")
    with pytest.raises(WrongInput) as caught:
        load_inventory()
    assert caught.value.what.startswith(f"{checkout} and {user}: board 'a': host:")


def test_without_the_variable_the_checkouts_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIYARD_FLEET")
    assert checkout_fleet_file() == ROOT / "targets" / "fleet.yaml"


def test_the_users_file_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert user_fleet_file() == tmp_path / "home" / ".config" / "piyard" / "fleet.yaml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert user_fleet_file() == tmp_path / "xdg" / "piyard" / "fleet.yaml"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("hots: x", "unknown field `hots`, did you mean 'host'?"),
        ("place-tags: {}", "did you mean 'place_tags'?"),
        ("source: labgird", "'labgird' - at `$.source`, did you mean 'labgrid'?"),
        ("target: rpi-5", "target: unknown target 'rpi-5', did you mean 'rpi5'?"),
        ("target: fleet", "target: unknown target 'fleet'"),
        ("port: 70000", "$.port"),
        ("port: -1", "$.port"),
        ("port: '22'", "$.port"),
        ("user: 1000", "$.user"),
        ("user:", "$.user"),
        ("user: a b", "user: 'a b' is not a user name"),
        ("user: -l", "user: '-l' is not a user name"),
        ("user: me@there", "user: 'me@there' is not a user name"),
        ("user: $(id)", "user: '$(id)' is not a user name"),
        ("tags: lab", "$.tags"),
        ("tags: [1]", "$.tags[0]"),
        ("tags: ['']", "tags: one is empty"),
        ("jump: -oProxyCommand=x", "jump: '-oProxyCommand=x' is not a host"),
        ("jump: gate:0", "jump: 'gate:0' is not a host"),
        ("sudo: maybe", "$.sudo"),
        ("price: -1", "$.price"),
        ("price: .nan", "$.price"),
        ("price: .inf", "$.price"),
        ("price: free", "$.price"),
        ("price_date: 2026-01-15 10:00:00", "$.price_date"),
        ("price_date: lately", "$.price_date"),
        ("place: x", "place: is for labgrid only"),
        ("place_tags: {a: b}", "place_tags: is for labgrid only"),
        ("coordinator: x", "coordinator: is for labgrid only"),
        ("1: x", "Expected `str` - at `key`"),
        (r'notes: "\ud800"', "notes: is not Unicode"),
    ],
)
def test_refuses_a_key_that_does_not_fit(checkout: Path, key: str, expected: str) -> None:
    assert expected in refusal(checkout, "host: pi", key).what


def test_an_unknown_target_lists_the_known_ones(checkout: Path) -> None:
    assert "rpi4, rpi5" in refusal(checkout, "host: pi", "target: pi5").remedy


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("''", "host: is missing"),
        ("5", "$.host"),
        ("-oProxyCommand=x", "'-oProxyCommand=x' is not a host"),
        ("a;b", "'a;b' is not a host"),
        ('"a\\n"', "is not a host"),
        ("pi@pi5", "'pi@pi5' is more than a host"),
        ("pi5:22", "'pi5:22' is more than a host"),
        ("ad:22", "'ad:22' is more than a host"),
        ("emulated:rpi-5", "host: unknown target 'rpi-5', did you mean 'rpi5'?"),
        ("'emulated:'", "host: unknown target"),
        ("emulated:rpi5/x", "'emulated:rpi5/x' is not an emulated board"),
    ],
)
def test_refuses_a_host_that_cannot_be_one(checkout: Path, host: str, expected: str) -> None:
    assert expected in refusal(checkout, f"host: {host}").what


def test_refuses_a_board_without_host(checkout: Path) -> None:
    assert "host: is missing" in refusal(checkout, "target: rpi5").what


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["user: pi"], "place: is missing"),
        (["place: x", "host: pi"], "host: not used with labgrid"),
    ],
)
def test_refuses_what_labgrid_cannot_find(checkout: Path, keys: list[str], expected: str) -> None:
    assert expected in refusal(checkout, "source: labgrid", *keys).what


def test_an_emulated_board_is_of_the_kind_that_its_host_says(checkout: Path) -> None:
    checkout.write_text("boards:\n  lab: {host: 'emulated:rpi5/2', target: rpi5}\n")
    assert load_inventory()["lab"].target == "rpi5"
    checkout.write_text("boards:\n  lab: {host: 'emulated:rpi5/2', target: rpi4}\n")
    with pytest.raises(WrongInput, match="target: rpi4, but emulated:rpi5/2 is an emulated rpi5"):
        load_inventory()


@pytest.mark.parametrize("host", ["emulated:rpi5", "emulated:rpi5/2", "emulated:zero2w"])
def test_a_board_may_be_emulated(checkout: Path, host: str) -> None:
    assert make_one(checkout, f"host: {host}").host == host


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("pi5.local", "pi5.local"),
        ("10.0.0.7", "10.0.0.7"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("'[fe80::1]'", "fe80::1"),
        ("'::1'", "::1"),
    ],
)
def test_an_entry_is_an_address(checkout: Path, host: str, expected: str) -> None:
    read = make_one(checkout, f"host: {host}", "user: me", "port: 2222")
    assert read.address == Address(host=expected, user="me", port=2222)


def test_the_host_to_go_through_is_an_address() -> None:
    assert BoardEntry(host="a").jump_address is None
    gate = BoardEntry(host="a", jump="me@gate:2200").jump_address
    assert gate == Address(host="gate", user="me", port=2200)


def test_an_emulated_board_has_no_address_of_its_own() -> None:
    with pytest.raises(WrongInput, match="is not a host"):
        _ = BoardEntry(host="emulated:rpi5").address


def test_the_key_may_be_in_the_users_home() -> None:
    assert BoardEntry(host="a").key_file is None
    assert BoardEntry(host="a", key="~/.ssh/lab").key_file == Path.home() / ".ssh" / "lab"
    assert BoardEntry(host="a", key="/keys/lab").key_file == Path("/keys/lab")


def test_the_home_of_an_unknown_user_is_no_traceback() -> None:
    assert BoardEntry(host="a", key="~nobody-at-all/lab").key_file == Path("~nobody-at-all/lab")


@pytest.mark.parametrize("name", ["pi5-a", "5", "A.b_c-d", "a" * 200])
def test_a_name_is_a_plain_word(checkout: Path, name: str) -> None:
    checkout.write_text(f"boards:\n  ? '{name}'\n  : {{host: pi}}\n")
    assert list(load_inventory()) == [name]


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "_a", "@lab", "pi*", "pi?", "[a]", "a/b", "a b", "a:22", "pi@a", "a\n", "ä"],
)
def test_a_name_cannot_be_taken_for_something_else(checkout: Path, name: str) -> None:
    quoted = name.replace("\n", "\\n")
    checkout.write_text(f'boards:\n  "{quoted}": {{host: pi}}\n', encoding="utf-8")
    with pytest.raises(WrongInput, match="cannot be the name of a board") as caught:
        load_inventory()
    assert str(checkout) in caught.value.what


@pytest.mark.parametrize("name", ["7", "no", "1.5", "2026-01-15", "null"])
def test_a_name_that_yaml_takes_for_something_else_wants_quotes(checkout: Path, name: str) -> None:
    checkout.write_text(f"boards:\n  {name}: {{host: pi}}\n")
    with pytest.raises(WrongInput, match="is not a string in YAML") as caught:
        load_inventory()
    assert "quotes" in caught.value.remedy
    checkout.write_text(f"boards:\n  '{name}': {{host: pi}}\n")
    assert list(load_inventory()) == [name]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("borads:\n", "did you mean 'boards'?"),
        ("boards: [a]\n", "$.boards"),
        ("- a\n", "Expected `object"),
        ("boards:\n  a:\n", "board 'a' has no keys"),
        ("boards:\n  a: pi5.local\n", "board 'a' has no keys"),
        ("boards:\n  a: {host: x}\n  a: {host: y}\n", "'a' is written twice"),
        ("boards:\n  a: {host: x, host: y}\n", "'host' is written twice"),
        ("boards:\n  a: {host: x\n", "checkout.yaml:3"),
        ("boards:\n\ta: 1\n", "checkout.yaml:2"),
        ("boards:\n  a: {host: x, price_date: 2026-02-30}\n", "day is out of range"),
        ("boards:\n  a: !!python/object/apply:os.system [true]\n", "checkout.yaml:2"),
        ("a: 1\n---\nb: 2\n", "checkout.yaml:2"),
    ],
)
def test_refuses_a_file_that_does_not_fit(checkout: Path, content: str, expected: str) -> None:
    checkout.write_text(content)
    with pytest.raises(WrongInput) as caught:
        load_inventory()
    assert expected in caught.value.what
    assert str(checkout) in caught.value.what
    assert caught.value.remedy
    assert caught.value.code == 3


def test_refuses_a_folder_and_bytes_that_are_no_text(checkout: Path, user: Path) -> None:
    user.mkdir()
    with pytest.raises(WrongInput, match="cannot be read"):
        load_inventory()
    user.rmdir()
    checkout.write_bytes(b"boards: \xff\n")
    with pytest.raises(WrongInput, match="cannot be read"):
        load_inventory()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("pi", True), ("me@pi:22", True), ("[fe80::1]:22", True), ("pi*", False), ("@lab", False)],
)
def test_tells_an_address_from_other_texts(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one
