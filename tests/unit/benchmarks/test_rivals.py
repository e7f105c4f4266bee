"""The comparison itself: the payload, the forwarder, the figures, and what is printed."""

from __future__ import annotations

import json
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks import deploy, fanout
from benchmarks.rivals import command_line, job, keys, payload, reach, samples, ways
from benchmarks.rivals.comparison import Compared
from benchmarks.rivals.delay import delayed
from benchmarks.rivals.figures import Figures
from benchmarks.rivals.job import Job
from benchmarks.rivals.keys import Keys
from benchmarks.rivals.payload import Payload
from benchmarks.rivals.samples import CASES, CHANGED, FIRST, UNCHANGED, Sample
from benchmarks.rivals.ways import PIYARD, PYINFRA, RSYNC, Way
from piyard.board.emulator import LOOPBACK
from piyard.build.images import DOCKER_FOLDER
from piyard.core.errors import JobsFailed, WrongInput

BOARDS = {"board-1": 40001, "board-2": 40002}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a payload is made in a moment, and nnrun was not built."""
    monkeypatch.setattr(payload, "MODEL_BYTES", 4000)
    monkeypatch.setattr(payload, "PROGRAM_BYTES", 6000)
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def ten(folder: Path) -> Payload:
    return payload.make(folder / "payload")


@pytest.fixture
def pairs(tmp_path: Path) -> Keys:
    result = Keys(login=tmp_path / "login", host=tmp_path / "host")
    for private in (result.login, result.host):
        keys.Keys.public(private).write_text(f"ssh-ed25519 {private.name}\n")
    return result


@pytest.fixture
def prepared(tmp_path: Path, ten: Payload, pairs: Keys) -> Job:
    return job.prepare(ten, reach.make(tmp_path / "run", BOARDS, pairs))


# The payload


def test_the_payload_is_ten_files_of_the_sizes_asked_for(ten: Payload) -> None:
    sizes = {file.name: file.stat().st_size for file in ten.files}
    assert len(sizes) == 10
    assert sizes == {**payload.TEXTS, payload.MODEL: 4000, payload.PROGRAM: 6000}


def test_the_payload_of_two_runs_is_the_same(tmp_path: Path, ten: Payload) -> None:
    assert payload.make(tmp_path / "again").digests() == ten.digests()


def test_the_program_can_be_run(ten: Payload) -> None:
    assert (ten.folder / payload.PROGRAM).stat().st_mode & stat.S_IXUSR


def test_the_program_is_nnrun_where_one_was_built(folder: Path) -> None:
    built = folder / "builds" / "k" / "nnrun"
    built.parent.mkdir(parents=True)
    built.write_bytes(b"ELF")
    assert (payload.make(folder / "payload").folder / payload.PROGRAM).read_bytes() == b"ELF"


def test_a_change_touches_one_file_and_keeps_its_size(ten: Payload) -> None:
    before, times = ten.digests(), {file: file.stat().st_mtime_ns for file in ten.files}
    ten.change(1)
    after = ten.digests()
    assert [name for name in after if after[name] != before[name]] == [payload.CHANGED]
    assert ten.changed.stat().st_size == payload.TEXTS[payload.CHANGED]
    others = [file for file in ten.files if file != ten.changed]
    assert all(file.stat().st_mtime_ns == times[file] for file in others)


def test_each_change_is_a_new_one(ten: Payload) -> None:
    seen = {ten.digests()[payload.CHANGED]}
    for turn in range(1, 5):
        ten.change(turn)
        seen.add(ten.digests()[payload.CHANGED])
    assert len(seen) == 5


def test_the_changed_file_compresses_as_text_does(ten: Payload) -> None:
    assert 0.1 < ten.changed_alone() / payload.TEXTS[payload.CHANGED] < 0.6


def test_sums_are_what_sha256sum_reads(ten: Payload) -> None:
    done = subprocess.run(
        ["sha256sum", "-c", "--quiet", "-"],
        input=payload.sums(ten.digests()),
        cwd=ten.folder,
        text=True,
        check=False,
    )
    assert done.returncode == 0


# The job, as each of the rivals reads it


def test_everybody_is_told_the_same_ports(prepared: Job) -> None:
    assert json.loads(prepared.piyard.read_text())["boards"] == BOARDS
    content = json.loads(prepared.pyinfra.read_text())
    assert {name: board["ssh_port"] for name, board in content.items()} == BOARDS
    assert prepared.inventory.read_text().split() == list(BOARDS)
    config = prepared.reach.ssh_config.read_text()
    assert all(f"Host {name}\n" in config and f"Port {BOARDS[name]}\n" in config for name in BOARDS)


def test_the_host_key_is_known_at_each_port_and_must_match(prepared: Job) -> None:
    lines = prepared.reach.known_hosts.read_text().splitlines()
    assert lines == [f"[{LOOPBACK}]:{port} ssh-ed25519 host" for port in BOARDS.values()]
    assert prepared.reach.ssh_config.read_text().count("StrictHostKeyChecking yes") == len(BOARDS)


def test_piyard_is_given_digests_and_sizes(prepared: Job) -> None:
    files = json.loads(prepared.piyard.read_text())["files"]
    assert {name: result["sha256"] for name, result in files.items()} == prepared.digests
    assert files[payload.CHANGED]["size"] == payload.TEXTS[payload.CHANGED]


def test_a_release_is_named_after_its_content(prepared: Job) -> None:
    before = job.prepare(prepared.payload, prepared.reach).release
    prepared.payload.change(1)
    assert before == prepared.release
    assert job.prepare(prepared.payload, prepared.reach).release != before


def test_ansible_forks_as_often_as_there_are_boards(prepared: Job) -> None:
    config = prepared.ansible.read_text()
    assert "forks = 2\n" in config
    assert "pipelining = True\n" in config
    assert "ControlPersist" not in config


# The ways


def way_of(name: str) -> Way:
    return next(way for way in ways.all_of(Path("/programs")) if way.name == name)


def test_piyard_is_always_among_those_compared() -> None:
    every = ways.all_of(Path("/programs"))
    assert [way.name for way in ways.chosen(every, [RSYNC])] == [PIYARD, RSYNC]
    assert ways.chosen(every, [ways.ALL]) == every


def test_an_unknown_tool_names_the_nearest() -> None:
    with pytest.raises(WrongInput, match="did you mean 'pyinfra'"):
        ways.chosen(ways.all_of(Path("/programs")), ["pyinfr"])


def test_settings_of_the_caller_count_for_nobody(
    prepared: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANSIBLE_FORKS", "SSH_AUTH_SOCK", "PYTHONSTARTUP", "RSYNC_RSH"):
        monkeypatch.setenv(name, "x")
    for way in ways.all_of(Path("/programs")):
        assert "x" not in ways.environment(way, prepared).values()


def test_piyard_hashes_all_again_only_when_it_is_told_to(prepared: Job) -> None:
    usual, rehashing = (way_of(name).argv(prepared) for name in (PIYARD, ways.REHASHING))
    assert rehashing == [*usual, "rehash"]


def test_ansible_begins_with_open_connections_only_where_it_is_warm() -> None:
    ansibles = [way_of(name) for name in (ways.COPY, ways.SYNCHRONIZE, ways.WARM)]
    assert [way.before is way_of(RSYNC).before for way in ansibles] == [True, True, False]
    assert all(way.after is not way_of(RSYNC).after for way in ansibles)


def test_every_way_is_given_what_it_deploys(prepared: Job) -> None:
    for way in ways.all_of(Path("/programs")):
        line = " ".join(way.argv(prepared))
        assert str(prepared.payload.folder) in line or str(prepared.piyard) in line


def test_files_that_ways_name_are_there(prepared: Job) -> None:
    for way in ways.all_of(Path("/programs")):
        own = [part for part in way.argv(prepared) if part.startswith(str(ways.HERE))]
        assert all(Path(part).is_file() for part in own)


def test_a_board_holds_all_that_piyards_own_do() -> None:
    usual, ours = ((DOCKER_FOLDER / f"{name}.packages") for name in ("board", "rival-board"))
    missing = _packages(usual) - _packages(ours)
    assert not missing
    assert {"rsync", "python3"} <= _packages(ours)


def _packages(file: Path) -> set[str]:
    return {line for line in file.read_text().splitlines() if line and not line.startswith("#")}


def a_way(*argv: str) -> Way:
    return Way("x", "x", lambda _job: list(argv), lambda _job: {}, lambda _: None, lambda _: None)


def test_a_command_is_timed_with_what_it_waited_for(prepared: Job) -> None:
    done = samples.run(a_way("sh", "-c", "echo said; sleep 0.2"), prepared)
    assert done.seconds >= 0.2
    assert done.output == "said\n"


def test_a_tool_that_fails_says_why(prepared: Job) -> None:
    with pytest.raises(JobsFailed, match="exit code 3\\)\n    no such board"):
        samples.run(a_way("sh", "-c", "echo no such board; exit 3"), prepared)


def test_each_round_begins_with_another_way() -> None:
    every = [a_way(name) for name in ("a", "b", "c")]
    orders = [samples.rotated(every, number) for number in range(4)]
    assert [order[0] for order in orders] == [every[0], every[1], every[2], every[0]]
    assert all(len(order) == 3 for order in orders)


# The forwarder


@contextmanager
def echo() -> Iterator[int]:
    """A server on loopback that says what it hears, and hangs up when it hears no more."""

    def answer(connection: socket.socket) -> None:
        with connection:
            while block := connection.recv(65536):
                connection.sendall(block)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield port_of(listener)


@contextmanager
def far_echo(ms: float) -> Iterator[socket.socket]:
    """A connection to such a server, so far away."""
    with echo() as port, delayed([port], ms) as (far,), reached(far) as near:
        yield near


def reached(port: int) -> socket.socket:
    return socket.create_connection((LOOPBACK, port), timeout=20)


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def heard(connection: socket.socket) -> bytes:
    said = b""
    while block := connection.recv(65536):
        said += block
    return said


def test_the_forwarder_passes_everything_on_in_order() -> None:
    sent = bytes(range(256)) * 8000

    def speak() -> None:
        near.sendall(sent)
        near.shutdown(socket.SHUT_WR)

    with far_echo(1) as near:
        speaking = threading.Thread(target=speak)
        speaking.start()
        assert heard(near) == sent
        speaking.join()


def test_every_answer_comes_a_round_trip_later() -> None:
    with far_echo(10) as near:
        for least_s in (0.040, 0.020, 0.020):  # the first one waits for a handshake too
            start = time.perf_counter()
            near.sendall(b"x")
            assert near.recv(1) == b"x"
            assert time.perf_counter() - start >= least_s


def test_what_is_under_way_at_once_is_late_once() -> None:
    with far_echo(50) as near:
        start = time.perf_counter()
        for _ in range(20):
            near.sendall(b"x")
            time.sleep(0.005)
        near.shutdown(socket.SHUT_WR)
        assert heard(near) == b"x" * 20
        assert time.perf_counter() - start < 20 * 0.1


def test_each_port_leads_to_its_own() -> None:
    with (
        echo() as port,
        socket.create_server((LOOPBACK, 0)) as other,
        delayed([port, port_of(other)], 0) as (_, second),
        reached(second),
    ):
        other.settimeout(20)
        other.accept()[0].close()


def test_a_board_that_hangs_up_is_heard_to() -> None:
    with (
        socket.create_server((LOOPBACK, 0)) as board,
        delayed([port_of(board)], 1) as (far,),
        reached(far) as near,
    ):
        board.settimeout(20)
        board.accept()[0].close()
        assert heard(near) == b""


def test_a_board_that_is_not_there_ends_the_connection() -> None:
    with socket.create_server((LOOPBACK, 0)) as gone:
        port = port_of(gone)
    with delayed([port], 1) as (far,), reached(far) as near:
        assert heard(near) == b""


@pytest.mark.parametrize("failure", [None, KeyboardInterrupt])
def test_the_forwarder_is_gone_afterwards(failure: type[BaseException] | None) -> None:
    ports: list[int] = []
    with suppress(KeyboardInterrupt), delayed([1], 0) as far:
        ports += far
        if failure:
            raise failure
    with pytest.raises(ConnectionRefusedError):
        reached(ports[0])


# The figures and the tables


def sample(tool: str, case: str, seconds: float, boards: int = 1, delay: float = 0) -> Sample:
    ours: dict[str, int] = {"commands": 1, "sent": 110} if tool == PIYARD else {}
    return Sample(
        tool=tool,
        case=case,
        boards=boards,
        delay_ms=delay,
        seconds=seconds,
        cpu_s=seconds / 2,
        received=2000 * boards,
        alone=100,
        **ours,
    )


def run_of(*, boards: tuple[int, ...] = (1,), rounds: int = 3) -> list[Sample]:
    """piyard takes 1, 2, 3 s times the boards, pyinfra twice, rsync half as long."""
    factors = {RSYNC: 0.5, PIYARD: 1.0, PYINFRA: 2.0}
    return [
        sample(tool, case, factor * (turn + 1) * count, count)
        for count in boards
        for turn in range(rounds)
        for tool, factor in factors.items()
        for case in CASES
    ]


def test_a_figure_is_the_median_of_its_samples() -> None:
    figure = Figures(run_of()).at(0, 1, FIRST, PYINFRA)
    assert figure.median_s == 4
    assert list(figure.range_s) == [2, 6]
    assert figure.cpu_s == 2
    assert len(figure.samples) == 3


def test_ratios_are_against_piyard_in_the_same_case() -> None:
    taken = [*run_of(), sample(PIYARD, UNCHANGED, 100, boards=2)]
    figures = Figures(taken)
    assert figures.times_piyard(figures.at(0, 1, UNCHANGED, PYINFRA)) == 2
    assert figures.times_piyard(figures.at(0, 1, UNCHANGED, RSYNC)) == 0.5


def test_growth_is_the_most_boards_over_the_fewest() -> None:
    figures = Figures(run_of(boards=(1, 5, 10)))
    assert figures.counts == [1, 5, 10]
    assert figures.growth(0, FIRST, PIYARD) == 10


def test_bytes_are_those_of_one_board() -> None:
    assert Figures(run_of(boards=(5,))).at(0, 5, FIRST, RSYNC).received == 2000


def test_piyards_stream_is_measured_by_the_changed_file_alone() -> None:
    result = Figures(run_of()).change_sent()
    assert {taken.case for taken, _ in result} == {CHANGED}
    assert [ratio for _, ratio in result] == [pytest.approx(1.1)] * 3


def test_piyard_comes_first_and_cases_keep_their_order() -> None:
    keys_ = [figure.key for figure in Figures(run_of()).all]
    assert [case for _, _, case, _ in keys_] == [case for case in CASES for _ in range(3)]
    assert [tool for _, _, _, tool in keys_[:3]] == [PIYARD, RSYNC, PYINFRA]


def test_deploys_table_tells_every_figure() -> None:
    columns, rows = deploy.rows_of(Figures(run_of()))
    result = dict(zip(columns, rows[0], strict=True))
    assert len(rows) == 9
    assert (result["Tool"], result["Median s"], result["xpiyard"]) == (PIYARD, "2.000", "1.00")
    assert (result["kB to a board"], result["SSH commands"]) == ("2.0", "1")


def test_fanouts_table_has_a_column_for_each_number_of_boards() -> None:
    columns, rows = fanout.rows_of(Figures(run_of(boards=(1, 10))))
    result = dict(zip(columns, rows[2], strict=True))
    assert (result["Tool"], result["1 s"], result["10 s"], result["10/1"]) == (
        PYINFRA, "4.000", "40.000", "10.00",
    )  # fmt: skip
    assert result["xpiyard (10)"] == "2.00"


@pytest.mark.parametrize("rows_of", [deploy.rows_of, fanout.rows_of])
def test_large_numbers_fit_a_plain_table(rows_of: command_line.RowsOf) -> None:
    taken = [sample(PIYARD, case, 12345.678, boards) for case in CASES for boards in (1, 10)]
    shown = command_line.shown(Compared(taken, {"rsync": "3"}), rows_of, "plain")
    assert "12345.678" in shown
    assert "1.1000 times that file alone" in shown
    assert "rsync: 3" in shown


def test_json_holds_every_sample() -> None:
    taken = run_of()
    shown = json.loads(command_line.shown(Compared(taken, {"rsync": "3"}), deploy.rows_of, "json"))
    assert [Sample(**each) for each in shown["samples"]] == taken
    assert shown["versions"] == {"rsync": "3"}


@pytest.mark.parametrize("module", ["deploy", "fanout"])
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--boards", "0"], "none may be below 1"),
        (["--boards", "two"], "invalid"),
        (["--delays", "-1"], "none may be below 0"),
        (["--rounds", "x"], "invalid"),
        (["--rounds", "0"], "not a number of rounds"),
        (["--format", "csv"], "invalid choice"),
    ],
)
def test_a_wrong_flag_is_one_line(
    module: str, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = {"deploy": command_line.Usual([1], [1], []), "fanout": fanout.USUAL}[module]
    with pytest.raises(SystemExit):
        command_line.arguments("", usual, flags)
    assert said in capsys.readouterr().err


def test_quick_means_few_boards_and_one_round() -> None:
    quick = command_line.plan(command_line.arguments("", fanout.USUAL, ["--quick"]), fanout.USUAL)
    assert (quick.counts, quick.rounds, quick.delays_ms) == ([1, 3], 1, [0, 20])


def test_what_is_asked_for_counts_though_it_be_quick() -> None:
    line = ["--quick", "--boards", "2", "--rounds", "4", "--delays", "5", "--tools", "pyinfra"]
    request = command_line.plan(command_line.arguments("", fanout.USUAL, line), fanout.USUAL)
    assert (request.counts, request.rounds, request.delays_ms) == ([2], 4, [5])
    assert request.names == [PYINFRA]


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
def test_keys_are_private_and_openssh_reads_them(tmp_path: Path) -> None:
    result = keys.make(tmp_path / "keys")
    assert result.login.stat().st_mode & 0o077 == 0
    assert keys.Keys.public(result.host).read_text().startswith("ssh-ed25519 ")
