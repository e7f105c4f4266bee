"""A link that breaks in mid-deploy leaves the board as it was, or with all of the new."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from piyard.board.connection import BoardConnection
from piyard.board.emulator import stop_emulated
from piyard.board.lease import new_lease
from piyard.board.release import HOME
from piyard.board.ssh.session import open_session
from piyard.core.errors import HostUnreachable, PiyardError
from piyard.run.deploy import deploy_releases
from tests.integration.faults.started import gone
from tests.support import faulty_board
from tests.support.faulty_board import BOARD, LARGE, SMALL, Pi
from tests.support.plans import start_emulated

pytestmark = [pytest.mark.docker, pytest.mark.board, pytest.mark.timeout(120)]


DICE = random.Random(20)
POINTS = [
    *(("handshake", DICE.random()) for _ in range(4)),
    *(("manifest", DICE.random()) for _ in range(4)),
    *(("stream", DICE.random()) for _ in range(9)),
    *(("end", after) for after in (-500, -100, -1)),
]


class Passed(NamedTuple):
    """How many bytes went to the board by the end of each part of a deploy."""

    handshake: int
    manifest: int
    stream: int

    def at(self, part: str, where: float) -> int:
        """The byte after which to cut."""
        if part == "end":
            return self.stream + int(where)
        ends = (0, *self)
        number = self._fields.index(part)
        return ends[number] + int(where * (ends[number + 1] - ends[number]))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pi]:
    """One board for many cuts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        pi = Pi(start_emulated(BOARD))
        yield pi
        pi.close()
        stop_emulated(BOARD)


@pytest.fixture(scope="module")
def passed(shared: Pi, tmp_path_factory: pytest.TempPathFactory) -> Passed:
    """What one deploy of LARGE sends when nothing is cut."""
    folder, ends = tmp_path_factory.mktemp("whole"), []
    release = faulty_board.release(folder / "new", 1, LARGE)
    with (
        faulty_board.link(shared.board, folder) as link,
        open_session(faulty_board.over(link, folder)) as session,
    ):
        ends.append(link.passed)
        deploy_releases(
            session,
            [release],
            new_lease("test"),
            check=lambda _told, _bytes: ends.append(link.passed),
        )
        ends.append(link.passed)
    return Passed(*ends)


@pytest.mark.parametrize(("part", "where"), POINTS)
def test_a_cut_leaves_the_old_release_or_the_whole_new_one(
    shared: Pi, passed: Passed, tmp_path: Path, part: str, where: float
) -> None:
    shared.wipe()
    old, new = (
        faulty_board.release(tmp_path / "old", 0, SMALL),
        faulty_board.release(tmp_path, 1, LARGE),
    )
    with open_session(shared.board.login) as session:
        deploy_releases(session, [old], new_lease("before"))
    whole = {r.id: {file.name: file.sha256 for file in r.files} for r in (old, new)}

    with (
        faulty_board.link(shared.board, tmp_path, passed.at(part, where)) as link,
        contextlib.ExitStack() as stack,
    ):
        said = stack.enter_context(pytest.raises(PiyardError)) if part != "end" else None
        if part == "end":
            stack.enter_context(contextlib.suppress(HostUnreachable))
        with open_session(faulty_board.over(link, tmp_path)) as session:
            deploy_releases(session, [new], new_lease("cut"))
    if said:
        assert isinstance(said.value, HostUnreachable)
        assert said.value.remedy
        assert len(said.value.what.splitlines()) == 1

    gone(shared, "piyard")
    there = shared.releases()
    assert all(whole[release] == files for release, files in there.items())
    assert shared.current() in there
    arrived = shared.blobs()
    missing = sum(file.size for file in new.files if file.sha256 not in arrived)
    with open_session(shared.board.login) as session:
        after = deploy_releases(session, [new], new_lease("after", wait_s=0))
    assert after.content <= missing
    assert shared.current() == new.id
    assert shared.releases() == whole
    assert not [blob for blob in shared.blobs() if blob.startswith(".part")]


def test_what_is_left_of_a_deploy_that_was_killed_does_not_turn_the_next_one_around(
    pi: Pi, line: BoardConnection, tmp_path: Path
) -> None:
    """Process numbers come back: soon after a restart above all."""
    old, new = (
        faulty_board.release(tmp_path / "old", 0, SMALL),
        faulty_board.release(tmp_path, 1, SMALL),
    )
    deploy_releases(line.session, [old], line.lease)
    # Each ln uses up a number itself.
    pi.sh(
        f"cd {HOME} && for n in $(seq $(($$ + 300)) $(($$ + 1300))); do"
        " ln -s releases/$1 current.$n; done",
        old.id,
    )
    deploy_releases(line.session, [new], line.lease)
    assert pi.current() == new.id
    assert set(pi.releases()[old.id]) == {file.name for file in old.files}
