"""A run of any program of a release: deployed to its board, waited for where it counts, started.

Jobs of picture models go through ``execute``; language models and other engines through here.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.facts import Facts, read_facts
from piyard.board.release import Release
from piyard.run.deploy import BoardNeeds
from piyard.run.execute import choose_governor, hold_releases, start_verified, wait_until_idle
from piyard.run.job import RunOptions
from piyard.run.lifecycle import NNRUN, start_run
from piyard.run.record import BuildInfo, ModelInfo, Record, TaskInfo
from piyard.run.recording import describe_run


class ProgramRun(msgspec.Struct, frozen=True, kw_only=True):
    """What is to run, and on what."""

    connection: BoardConnection
    releases: Sequence[Release]
    """The last one has the program."""
    needs: BoardNeeds
    slug: str
    what: TaskInfo
    model: ModelInfo
    build: BuildInfo
    command: Sequence[str]
    """nnrun's verb and its words, or the words of another ``program``."""
    program: str = NNRUN
    options: RunOptions
    usual_limit_s: int
    """Its time limit, unless the options have one."""
    is_measured: bool = False
    """Whether its times count: then a real board is waited for until it is idle."""
    pmic: bool = False
    """Whether the power of the board's rails is sampled meanwhile."""


def start_program(run: ProgramRun) -> Record:
    """Deploy and start it. Raises ``BoardCommandFailed`` for files that are damaged twice."""

    def start(options: RunOptions) -> Record:
        return _start(msgspec.structs.replace(run, options=options))

    return start_verified(run.connection.name, run.options, start)


def _start(run: ProgramRun) -> Record:
    connection, board = run.connection, run.connection.spec
    facts = hold_releases(connection, board, run.releases, run.needs, run.options).facts
    counts = run.is_measured and not board.emulated
    idle = wait_until_idle(connection.session, board.target.conditions) if counts else None
    before = read_facts(connection.session) if idle else facts
    verb, words = (run.command[0], run.command[1:]) if run.program == NNRUN else ("", run.command)
    return start_run(
        connection,
        msgspec.structs.replace(_describe(run, before), idle_state=idle),
        run.releases[-1],
        verb,
        words,
        run.options.limit_s or run.usual_limit_s,
        program=run.program,
        pmic=run.pmic,
        governor=choose_governor(connection, board, run.options) if counts else "",
    )


def _describe(run: ProgramRun, before: Facts) -> Record:
    return describe_run(
        run.connection,
        run.connection.spec,
        before,
        slug=run.slug,
        what=run.what,
        model=run.model,
        build=run.build,
        release=run.releases[-1].id,
    )
