"""Names and texts that would like to be commands or to lie elsewhere stay names and texts."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piyard.board.connection import BoardConnection
from piyard.board.facts import Facts
from piyard.board.fleet.selection import select_board
from piyard.board.lease import lease_holder, run_leased_script
from piyard.board.release import HOME, Release, ReleaseFile
from piyard.board.ssh import commands, session
from piyard.board.ssh.commands import SCRIPT_FOLDER, script_argv
from piyard.core import console, files
from piyard.core.errors import BoardCommandFailed, HostUnreachable, UnreadableLog, WrongInput
from piyard.run import job, recording
from piyard.run.deploy import deploy_releases
from piyard.run.record import TaskInfo
from piyard.run.recording import new_record
from piyard.run.remote import (
    _parse_status,
    _unpack,
    cancel_process,
    fetch_files,
    read_status,
    start_process,
    wait_for_process,
)
from piyard.run.run_folders import RECORD_FILE
from tests.support.local_board import LocalBoard, blobs, lease, new_board, releases, temporary_board

CANARY = "pwned"
PIECES = [
    *(b"'", b'"', b" ", b"\n", b"\t", b"\\", b"*", b"?", b"~", b"#", b"!", b"&", b"|", b"<", b">"),
    *(b"-", b"--", b"-rf", b"=", b"%s", b"%n", b"$HOME", b"${IFS}", b"..", b".", b"{a,b}", b"[a]"),
    *(
        b"$(touch pwned)",
        b"`touch pwned`",
        b";touch pwned;",
        b"'; touch pwned; '",
        b"\ntouch pwned\n",
    ),
    *(b'"; touch pwned; "', b"&& touch pwned", b"|touch pwned", b"\xff", b"\xc3", "ü".encode()),
]
BYTES = st.lists(
    st.one_of(st.sampled_from(PIECES), st.binary(min_size=1, max_size=4)), max_size=8
).map(lambda parts: b"".join(parts).replace(b"\0", b""))
TEXTS = BYTES.map(os.fsdecode)
"""What can be an argument: anything without a NUL, UTF-8 or not."""
NAMES = (
    BYTES.map(lambda raw: raw.replace(b"/", b"")[:200])
    .filter(lambda raw: raw not in {b"", b".", b".."})
    .map(os.fsdecode)
)
"""What can be a file of a release."""
HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    "-rf",
    "--",
    "a\nb",
    " ",
    "\udcff",
]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "info", lambda _text: None)


@pytest.fixture
def board(tmp_path: Path) -> LocalBoard:
    return new_board(tmp_path / "board")


def outside(board: LocalBoard) -> set[Path]:
    """Every path around the board's folder that is none of piyard's business."""
    return {p for p in board.home.parent.rglob("*") if not p.is_relative_to(board.yard)}


@contextmanager
def untouched(board: LocalBoard) -> Iterator[None]:
    """Nothing appears or goes outside ``.piyard``, and no command in a name was run."""
    before = outside(board)
    yield
    assert outside(board) == before
    assert CANARY not in {path.name for path in board.yard.rglob("*")}


@contextmanager
def a_board() -> Iterator[LocalBoard]:
    with temporary_board() as board, untouched(board):
        yield board


@contextmanager
def release_of(names: Sequence[str], label: str = "") -> Iterator[Release]:
    """A release of files of those names, each holding its own name."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, name in enumerate(names):
            path, raw = Path(folder, str(number)), os.fsencode(name)
            path.write_bytes(raw)
            files.append(
                ReleaseFile(name=name, path=path, sha256=sha256(raw).hexdigest(), size=len(raw))
            )
        yield Release(files=files, label=label)


@settings(max_examples=40, deadline=None)
@given(arguments=st.lists(TEXTS, max_size=6))
def test_arguments_arrive_byte_for_byte(arguments: list[str]) -> None:
    with a_board() as board:
        said = board.run(["sh", "-c", 'for one; do printf "%s\\0" "$one"; done', "sh", *arguments])
        assert said.out == "".join(f"{argument}\0" for argument in arguments)


@settings(max_examples=40, deadline=None)
@given(program=TEXTS)
def test_a_programs_name_is_a_name(program: str) -> None:
    with a_board() as board:
        done = board.run([f"./no-such-folder/{program}"], check=False)
        assert done.code in {126, 127}


@settings(max_examples=40, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=4, unique=True), label=TEXTS)
def test_file_names_and_labels_stay_what_they_are(names: list[str], label: str) -> None:
    with a_board() as board, release_of(names, label) as what:
        deploy_releases(board, [what], lease())
        folder = board.home / what.folder
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            name: os.fsencode(name) for name in names
        }
        assert releases(board) == {what.id}
        assert blobs(board) == {file.sha256 for file in what.files}
        assert (board.yard / "history").read_text() == f"{what.id} {what.title}\n"


@settings(max_examples=15, deadline=None)
@given(labels=st.lists(TEXTS, min_size=2, max_size=3))
def test_a_label_does_not_confuse_rollback_and_gc(labels: list[str]) -> None:
    with a_board() as board:
        ids = []
        for number, label in enumerate(labels):
            with release_of([f"f{number}"], label) as what:
                deploy_releases(board, [what], lease())
                ids.append((what.id, what.title))
        run_leased_script(board, lease(), "gc", HOME, "token", "me", "9", "no")
        assert releases(board) == {key for key, _ in ids}
        said = board.script("rollback", HOME, "token", "me").out.splitlines()
        assert said == ["from {} {}".format(*ids[-1]), "to {} {}".format(*ids[-2])]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_run_of_files_with_such_names_starts(board: LocalBoard, name: str) -> None:
    with untouched(board), release_of([name]) as what:
        claim = lease(owner=name)
        deploy_releases(board, [what], claim, keep=True)
        command = ["sh", "-c", 'printf "%s\\0" "$@"', name, name, *HOSTILE]
        start_process(board, "run", what, command, claim, limit_s=60)
        ended = wait_for_process(lambda: board, board, "run", lambda _status: None)
        said = (board.yard / "runs" / "run" / "log.jsonl").read_bytes()
        assert ended.code == 0
        assert os.fsdecode(said).split("\0") == [name, *HOSTILE, ""]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "a/b", "../x", "/etc/passwd", "a/", "\0", "a\0b", "../../x"]
)
def test_what_cannot_be_a_files_name_is_refused_before_anything_is_sent(name: str) -> None:
    with pytest.raises(WrongInput, match="cannot be a file of a release") as caught:
        ReleaseFile(name=name, path=Path("x"), sha256="0" * 64, size=1)
    assert caught.value.code == 3
    assert caught.value.remedy == "rename it"
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "../../x", "a/b", "/tmp/piyard-escaped"])
def test_a_board_refuses_such_a_name_itself(board: LocalBoard, name: str) -> None:
    with release_of(["plain"]) as good:
        deploy_releases(board, [good], lease())
    held = (HOME, "token", "60", "drop", "me", "changed")
    argv = script_argv("deploy", *held, "evil", "-", "1", name, good.files[0].sha256)
    with untouched(board), board.start(argv) as talk:
        while talk.line() != "ready":
            pass
        talk.send(b"keep\n")
        talk.end_input()
        assert talk.end().code == 1
    assert (board.yard / "current").readlink().name == good.id
    assert "evil" not in releases(board)


@settings(max_examples=30, deadline=None)
@given(owner=TEXTS)
def test_an_owner_is_text(owner: str) -> None:
    one_line = " ".join(owner.split())
    with a_board() as board:
        board.script("lease_take", HOME, "token", "60", one_line)
        assert lease_holder(board).partition(" ")[2].split() == one_line.split()
        assert board.script("lease_take", HOME, "other", "60", "x").out.startswith("busy ")


@settings(max_examples=20, deadline=None)
@given(run_id=NAMES)
def test_asking_for_a_run_of_any_name_only_asks(run_id: str) -> None:
    with a_board() as board:
        assert read_status(board, run_id).state == "absent"
        assert cancel_process(board, run_id).state == "absent"
        with suppress(BoardCommandFailed):
            fetch_files(board, run_id, board.yard, keep=set())


@settings(max_examples=20, deadline=None)
@given(names=st.lists(TEXTS.filter(bool), max_size=4))
def test_asking_for_programs_runs_none(names: list[str]) -> None:
    with a_board() as board:
        board.script("tools", *names)


def test_no_script_evaluates_text() -> None:
    for file in SCRIPT_FOLDER.glob("*.sh"):
        assert not re.search(r"\beval\b", file.read_text()), file.name


@settings(max_examples=100, deadline=None)
@given(slug=st.one_of(st.text(max_size=120), TEXTS))
def test_a_runs_id_is_a_plain_name_whatever_it_is_named_after(slug: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "release_for", lambda *_, **__: SimpleNamespace(id="release"))
        patch.setattr(recording, "describe_build", lambda _: {})
        patch.setattr(recording, "_describe_conversion", lambda _: {})
        line = BoardConnection(select_board("emulated:rpi5"))
        nothing = cast("Any", None)
        facts = Facts(machine="aarch64")
        record = new_record(line, line.spec, facts, nothing, nothing, slug=slug, what=TaskInfo())
    assert re.fullmatch(r"\d{8}T\d{6}-[A-Za-z0-9._-]*-[0-9a-f]{6}", record.id, re.ASCII)
    assert len(record.id) < 120


Entry = tuple[str, bytes, str]
"""Name, type and link target of a member of an archive."""


def archive(entries: Sequence[Entry]) -> bytes:
    """What a board that lies sends as a run's folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, link in entries:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, link, 0o7777
            plain = kind == tarfile.REGTYPE
            member.size = len(b"evil") if plain else 0
            tar.addfile(member, io.BytesIO(b"evil") if plain else None)
    return packed.getvalue()


def fetch(board: LocalBoard, sent: bytes) -> Mapping[str, bytes]:
    """Fetch a run from a board that sends this; the plain files that came."""
    board.yard.joinpath("runs", "run").mkdir(parents=True)
    (board.yard / "sent").write_bytes(sent)
    board.has_tool("tar", f'cat "$HOME/{HOME}/sent"')
    folder = board.home / "artifacts" / "run"
    folder.mkdir(parents=True)
    (folder / RECORD_FILE).write_text("ours")
    (board.home / "secret").write_text("secret")
    around = outside(board)
    with suppress(UnreadableLog):
        fetch_files(board, "run", folder, keep={RECORD_FILE})
    assert {p for p in outside(board) if not p.is_relative_to(folder)} == {
        p for p in around if not p.is_relative_to(folder)
    }
    assert (folder / RECORD_FILE).read_text() == "ours"
    assert not (folder / RECORD_FILE).is_symlink()
    assert (board.home / "secret").read_text() == "secret"
    assert not list(folder.glob(".fetch-*"))
    assert all(not p.is_symlink() and (p.is_file() or p.is_dir()) for p in folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


F, D = tarfile.REGTYPE, tarfile.DIRTYPE
SYMLINK, HARDLINK = tarfile.SYMTYPE, tarfile.LNKTYPE
ELSEWHERE: dict[str, list[Entry]] = {
    "above": [("../secret", F, "")],
    "far above": [("../../../secret", F, "")],
    "round about": [("outputs/../../../secret", F, "")],
    "absolute": [("/secret", F, "")],
    "through a link": [("outputs", SYMLINK, "../.."), ("outputs/secret", F, "")],
    "through an absolute link": [("outputs", SYMLINK, "/"), ("outputs/secret", F, "")],
    "a link to the secret": [("log.jsonl", SYMLINK, "../../secret")],
    "a hard link to the secret": [("log.jsonl", HARDLINK, "../../secret")],
    "a hard link to our record": [("log.jsonl", HARDLINK, "run.json"), ("log.jsonl", F, "")],
    "our record": [("run.json", F, "")],
    "our record, written otherwise": [("./run.json", F, ""), ("outputs/../run.json", F, "")],
    "our record as a folder": [("run.json/x", F, "")],
    "our record as a link": [("run.json", SYMLINK, "../../secret")],
    "a device": [("log.jsonl", tarfile.CHRTYPE, ""), ("disk", tarfile.BLKTYPE, "")],
    "a pipe": [("log.jsonl", tarfile.FIFOTYPE, "")],
    "a folder above": [("..", D, ""), ("../other", D, "")],
    "nothing": [],
}


@pytest.mark.parametrize("entries", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_what_a_board_sends_lands_in_the_runs_folder_or_nowhere(
    board: LocalBoard, entries: list[Entry]
) -> None:
    fetch(board, archive([("stderr.txt", F, ""), *entries]))


def test_what_is_sent_beside_a_link_arrives(board: LocalBoard) -> None:
    got = fetch(board, archive([("a", SYMLINK, "/etc"), ("log.jsonl", F, ""), ("o/x", F, "")]))
    assert got == {"run.json": b"ours", "log.jsonl": b"evil", "o/x": b"evil"}


def test_nothing_that_is_sent_can_be_run_as_somebody_else(board: LocalBoard) -> None:
    fetch(board, archive([("nnrun", F, "")]))
    mode = (board.home / "artifacts" / "run" / "nnrun").stat().st_mode
    assert mode & 0o7022 == 0


@pytest.mark.parametrize("sent", [b"", b"no archive", b"\x1f\x8b", os.urandom(500)])
def test_what_is_no_archive_is_no_run(board: LocalBoard, sent: bytes) -> None:
    assert fetch(board, sent) == {"run.json": b"ours"}


STEPS = st.lists(
    st.sampled_from(["..", ".", "a", "outputs", "run.json", CANARY, "\udcff", "secret", "-rf"]),
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(
    paths=st.lists(
        st.tuples(STEPS, st.sampled_from([F, D, SYMLINK, HARDLINK, tarfile.FIFOTYPE]), STEPS),
        max_size=4,
    ),
    start=st.sampled_from(["", "/", "./", "../"]),
)
def test_no_archive_at_all_writes_elsewhere(
    paths: list[tuple[list[str], bytes, list[str]]], start: str
) -> None:
    entries = [
        (start + "/".join([f"{number}", *steps, "file"]), kind, "/".join(target))
        for number, (steps, kind, target) in enumerate(paths)
    ]
    with temporary_board() as board:
        fetch(board, archive(entries))


DAMAGED = {
    "cut": archive([("log.jsonl", F, "")])[:40],
    "only a head": b"\x1f\x8b",
    "a file in a file": archive([("a", F, ""), ("a/b", F, "")]),
    "a file over a folder": archive([("a/b", F, ""), ("a", F, "")]),
    "a name too long": archive([("x" * 300, F, "")]),
    "no name": archive([(".", F, "")]),
}


@pytest.mark.parametrize("sent", DAMAGED.values(), ids=list(DAMAGED))
def test_what_cannot_be_unpacked_is_one_clear_error(tmp_path: Path, sent: bytes) -> None:
    with pytest.raises(UnreadableLog, match="damaged"):
        _unpack(io.BytesIO(sent), tmp_path / "run", {RECORD_FILE}, "pi5")


def test_a_file_that_became_a_folder_is_replaced(tmp_path: Path) -> None:
    for name in ("outputs", "outputs/x"):
        _unpack(io.BytesIO(archive([(name, F, "")])), tmp_path, set(), "pi5")
    assert (tmp_path / "outputs" / "x").read_bytes() == b"evil"


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="cannot be a file"):
        ReleaseFile(name="\ud800", path=tmp_path, sha256="0" * 64, size=0)


# -- without end -------------------------------------------------------------------------------


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def packed_with(raw: bytes) -> io.BytesIO:
    return io.BytesIO(gzip.compress(raw))


BOMBS = {
    "a file of a tebibyte": header(F, 1 << 40),
    "a name of a gibibyte": header(tarfile.XHDTYPE, 1 << 30),
    "an old long name": header(tarfile.GNUTYPE_LONGNAME, 1 << 30),
    "a file of less than nothing": header(F, 0)[:124] + b"\xff" * 12 + header(F, 0)[136:],
}


@pytest.mark.parametrize("raw", BOMBS.values(), ids=list(BOMBS))
@pytest.mark.parametrize("way", [gzip.compress, bytes])
def test_what_would_fill_disk_or_memory_is_not_unpacked(
    tmp_path: Path, raw: bytes, way: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(UnreadableLog, match="damaged"):
        _unpack(io.BytesIO(way(raw)), tmp_path / "run", set(), "pi5")
    assert not list((tmp_path / "run").iterdir())


def test_more_files_than_any_run_has_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_FILES", 3)
    sent = archive([(str(number), F, "") for number in range(5)])
    with pytest.raises(UnreadableLog, match="more than 3 files"):
        _unpack(io.BytesIO(sent), tmp_path / "run", set(), "pi5")


def test_other_packers_are_not_asked(tmp_path: Path) -> None:
    raw = gzip.decompress(archive([("log.jsonl", F, "")]))
    with pytest.raises(UnreadableLog, match="damaged"):
        _unpack(io.BytesIO(bz2.compress(raw)), tmp_path / "run", set(), "pi5")
    _unpack(io.BytesIO(raw), tmp_path / "run", set(), "pi5")
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == b"evil"


def test_a_run_without_end_is_not_fetched_to_its_end(
    board: LocalBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (board.yard / "runs" / "run").mkdir(parents=True)
    board.has_tool("tar", "exec cat /dev/zero")
    board.has_tool("gzip", "exec cat")
    monkeypatch.setattr(files, "MAX_PACKED_BYTES", 1 << 20)
    with pytest.raises(UnreadableLog, match="sends too much for the run"):
        fetch_files(board, "run", tmp_path / "run", keep=set())
    assert not list((tmp_path / "run").iterdir())


def test_endless_output_is_ended(board: LocalBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MAX_OUTPUT_BYTES", 1 << 20)
    with pytest.raises(BoardCommandFailed, match="local sends more than 1 MB"):
        board.run(["cat", "/dev/zero"])
    with pytest.raises(BoardCommandFailed, match="more than 1 MB of errors"):
        board.run(["sh", "-c", "exec cat /dev/zero >&2"], limit_s=2)


def test_a_line_without_end_is_ended(board: LocalBoard) -> None:
    with (
        pytest.raises(BoardCommandFailed, match="a line of more than"),
        board.start(["cat", "/dev/zero"]) as spoken,
    ):
        spoken.line()


def test_a_board_that_says_little_for_ever_is_left_at_the_limit(
    board: LocalBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not end its command itself, as it should."""
    board.has_tool("timeout", 'shift 3; exec "$@"')
    monkeypatch.setattr(session, "SILENCE_S", 1)
    with pytest.raises(HostUnreachable):
        board.run(["sh", "-c", "while :; do echo x; sleep 0.1; done"], limit_s=1)


@pytest.mark.parametrize(
    "said",
    [
        "ended",
        "ended 0 ended 1",
        "ended x ended 1 2",
        "ended 0 ended 1 " + "9" * 5000,
        "running x y",
        "\x1b[2J",
        "",
        "ended \u0663 ended 1 2",
    ],
)
def test_a_status_of_any_shape_is_one_line(board: LocalBoard, said: str) -> None:
    try:
        _parse_status(board, said.split())
    except BoardCommandFailed as error:
        result = str(error)
    else:
        result = "it runs"
    assert "\x1b" not in result
    assert len(result.splitlines()) <= 3
