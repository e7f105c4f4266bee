"""Hosts as users type them, and what must never pass for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard import address
from piyard.address import Address
from piyard.errors import WrongInput


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pi5.local", Address(host="pi5.local")),
        ("pi@pi5.local:2222", Address(host="pi5.local", user="pi", port=2222)),
        ("192.168.0.7:22", Address(host="192.168.0.7", port=22)),
        ("pi@[fe80::1%eth0]:22", Address(host="fe80::1%eth0", user="pi", port=22)),
        ("my_board", Address(host="my_board")),
    ],
)
def test_parses(text: str, expected: Address) -> None:
    assert address.parse(text) == expected
    assert address.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "-oProxyCommand=x", "a b", "pi@", "host:", "host:0", "host:70000", "a;b", "$(id)", "a\n",
     "fe80::1", "pi@@h", "h/..", "`id`"],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(WrongInput, match="is not a host"):
        address.parse(text)


@given(st.text(max_size=30))
def test_whatever_passes_is_plain(text: str) -> None:
    try:
        parsed = address.parse(text)
    except WrongInput:
        return
    assert not set(str(parsed)) & set(" \t\n;&|$`'\"\\<>(){}*?!")
    assert not parsed.host.startswith("-")
