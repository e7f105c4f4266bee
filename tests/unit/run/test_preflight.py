"""Before a byte travels: each thing that stands in the way is named, and what to do about it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from piyard.board.facts import Facts
from piyard.core.errors import PiyardError, WrongBoard, WrongInput
from piyard.run.deploy import SPARE_MEMORY_KB, BoardNeeds, features_of, needs_of, require_needs
from tests.support import synthetic_results

PI5 = Facts(
    machine="aarch64",
    page_size=16384,
    libc="glibc 2.36",
    memory_kb=8_000_000,
    available_kb=7_000_000,
    features="fp asimd aes crc32 atomics fphp asimdhp asimddp",
)
STATIC = BoardNeeds(
    machine="aarch64", libraries=[], features=frozenset({"asimdhp"}), model_kb=45_000
)
DYNAMIC = msgspec.structs.replace(STATIC, libraries=["libc.so.6", "libm.so.6"], glibc="2.36")


def refusal(facts: Facts, needs: BoardNeeds) -> PiyardError:
    with pytest.raises(PiyardError) as caught:
        require_needs("pi5", facts, needs)
    return caught.value


def but(facts: Facts, **changes: Any) -> Facts:
    return msgspec.structs.replace(facts, **changes)


def test_a_board_that_has_everything_is_not_refused() -> None:
    require_needs("pi5", PI5, STATIC)
    require_needs("pi5", PI5, DYNAMIC)


@pytest.mark.parametrize("machine", ["armv7l", "x86_64", "riscv64", "unknown"])
def test_another_machine_is_refused(machine: str) -> None:
    error = refusal(but(PI5, machine=machine), STATIC)
    assert isinstance(error, WrongBoard)
    assert error.code == 11
    assert error.what == f"pi5 is {machine}, and this is for aarch64"
    assert "64-bit" in error.remedy
    assert "--target" in error.remedy


def test_a_cpu_without_a_feature_is_refused_with_its_name() -> None:
    needs = msgspec.structs.replace(STATIC, features=frozenset({"asimdhp", "sve", "i8mm"}))
    error = refusal(PI5, needs)
    assert isinstance(error, WrongBoard)
    assert "pi5's CPU has no i8mm, sve," in error.what
    assert "-march" in error.remedy


def test_a_feature_is_a_whole_word() -> None:
    error = refusal(but(PI5, features="fp asimd asimdhpx"), STATIC)
    assert "asimdhp" in error.what


def test_pages_larger_than_the_alignment_are_refused() -> None:
    needs = msgspec.structs.replace(STATIC, page_alignment=4096)
    error = refusal(PI5, needs)
    assert isinstance(error, WrongBoard)
    assert "pages of 16384 bytes; the program is aligned for 4096" in error.what
    assert "max-page-size=65536" in error.remedy
    assert "kernel8.img" in error.remedy


def test_pages_as_large_as_the_alignment_will_do() -> None:
    require_needs("pi5", but(PI5, page_size=65536), STATIC)


@pytest.mark.parametrize("libc", ["glibc 2.35", "glibc 2.4", "glibc 1.99", "musl"])
def test_an_older_libc_is_refused_for_a_dynamic_program(libc: str) -> None:
    error = refusal(but(PI5, libc=libc), DYNAMIC)
    assert isinstance(error, WrongBoard)
    assert f"pi5 has {libc}; the program needs GLIBC 2.36 and libc.so.6, libm.so.6" in error.what
    assert "statically" in error.remedy


@pytest.mark.parametrize("libc", ["glibc 2.36", "glibc 2.41", "glibc 2.100", "glibc 3.0"])
def test_a_libc_as_new_or_newer_will_do(libc: str) -> None:
    require_needs("pi5", but(PI5, libc=libc), DYNAMIC)


@pytest.mark.parametrize("libc", ["glibc 2.17", "musl", None])
def test_a_static_program_asks_for_no_libc(libc: str | None) -> None:
    require_needs("pi5", but(PI5, libc=libc), STATIC)


def test_a_model_larger_than_the_memory_is_refused() -> None:
    error = refusal(but(PI5, available_kb=40 * 1024), STATIC)
    assert isinstance(error, WrongInput)
    assert error.code == 3
    assert "pi5 has 40 MB of memory available" in error.what
    assert "weights alone are 43 MB" in error.what
    assert "smaller model" in error.remedy


def test_memory_is_needed_for_more_than_the_weights() -> None:
    enough = STATIC.model_kb + SPARE_MEMORY_KB
    require_needs("pi5", but(PI5, available_kb=enough), STATIC)
    refusal(but(PI5, available_kb=enough - 1), STATIC)


@pytest.mark.parametrize("name", sorted(set(Facts.__struct_fields__) - {"machine", "libc"}))
def test_what_a_board_does_not_tell_is_no_reason_to_refuse_it(name: str) -> None:
    require_needs("pi5", but(PI5, **{name: None}), STATIC)
    require_needs("pi5", but(PI5, **{name: None}), DYNAMIC)


def test_a_board_that_tells_only_its_machine_gets_what_is_static() -> None:
    require_needs("pi5", Facts(machine="aarch64"), STATIC)


def test_the_first_thing_in_the_way_is_named() -> None:
    error = refusal(Facts(machine="armv7l", page_size=65536, features="none"), DYNAMIC)
    assert "armv7l" in error.what


@pytest.mark.parametrize(
    ("march", "expected"),
    [
        ("armv8-a", set()),
        ("armv8.2-a+fp16+dotprod", {"asimdhp", "asimddp"}),
        ("armv8.2-a+crypto+i8mm", {"i8mm"}),
        ("", set()),
    ],
)
def test_what_march_takes_for_granted(march: str, expected: set[str]) -> None:
    assert features_of(march) == expected


def test_a_builds_manifest_says_what_it_needs() -> None:
    elf: dict[str, Any] = {
        "machine": "aarch64",
        "needed": [],
        "glibc": None,
        "page_alignment": 65536,
    }
    cpu = {"required": "armv8.2-a+fp16", "dispatched": []}
    manifest = synthetic_results.build_manifest(elf=elf, cpu=cpu)
    assert needs_of(manifest, 45_000 * 1024) == STATIC
