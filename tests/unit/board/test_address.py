"""Hosts as users type them, and what must never pass for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piyard.board.ssh.address import Address, parse_address, resolver_name
from piyard.core.errors import NoSuchHost, WrongInput


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pi5.local", Address(host="pi5.local")),
        ("pi@pi5.local:2222", Address(host="pi5.local", user="pi", port=2222)),
        ("192.168.0.7:22", Address(host="192.168.0.7", port=22)),
        ("pi@[fe80::1%eth0]:22", Address(host="fe80::1%eth0", user="pi", port=22)),
        ("my_board", Address(host="my_board")),
        ("[2001:db8::1]", Address(host="2001:db8::1")),
        ("[::ffff:192.0.2.1%2]:22", Address(host="::ffff:192.0.2.1%2", port=22)),
        ("bücher.example", Address(host="bücher.example")),
        ("über.local", Address(host="über.local")),
        ("bu\u0308cher.example", Address(host="bücher.example")),
        ("пи5.example:22", Address(host="пи5.example", port=22)),
        ("हिन्दी.example", Address(host="हिन्दी.example")),
        ("pi@例え.テスト", Address(host="例え.テスト", user="pi")),
    ],
)
def test_parses(text: str, expected: Address) -> None:
    assert parse_address(text) == expected
    assert parse_address(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "-oProxyCommand=x", "a b", "pi@", "host:", "host:0", "host:70000", "a;b", "$(id)", "a\n",
     "fe80::1", "pi@@h", "h/..", "`id`", "[fe80:::1]", "[1.2.3.4]", "[fe80::1%]", "[fe80::1%a b]",
     "[::1]x", ".h", "h.", "-ü", "ü;x", "h\u2028", "h:\uff12\uff12"],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(WrongInput, match="is not a host"):
        parse_address(text)


@given(st.text(max_size=30))
def test_whatever_passes_is_plain(text: str) -> None:
    try:
        parsed = parse_address(text)
    except WrongInput:
        return
    assert not set(str(parsed)) & set(" \t\n;&|$`'\"\\<>(){}*?!")
    assert not parsed.host.startswith("-")


def test_a_bare_ipv6_address_is_told_its_brackets() -> None:
    with pytest.raises(WrongInput) as caught:
        parse_address("pi@fe80::1%eth0")
    assert caught.value.remedy == "write an IPv6 address in brackets: pi@[fe80::1%eth0]"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("pi5.local", "pi5.local"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("büro.local", "büro.local".encode()),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_name_is_what_resolvers_take(host: str, expected: str | bytes) -> None:
    assert resolver_name(host) == expected


@pytest.mark.parametrize(
    "host",
    ["a" * 64, "a" * 64 + ".local", "x." + "b" * 80 + ".example", "ü" * 64 + ".example", "ü" * 40
     + ".local", "a..b", "a." * 130 + "b", "\u0301a.example", "ab--ü.example"],
)  # fmt: skip
def test_a_name_that_no_host_can_have_is_one_line(host: str) -> None:
    with pytest.raises(NoSuchHost, match="no host can be called") as caught:
        resolver_name(host)
    assert caught.value.code == 7
    assert len(caught.value.evidence.splitlines()) == 1
