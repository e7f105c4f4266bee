"""A language model on a board: its release, and the runs of nnrun that compute with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from piyard.board.connection import BoardConnection
from piyard.board.release import Release, release_of
from piyard.build.builder import Build
from piyard.convert.language.conversion import BIN_FILE, PARAM_FILE, LanguageConversion
from piyard.models.language_models import GENERATE
from piyard.run.deploy import deploy_releases, needs_of, require_needs
from piyard.run.execute import choose_governor, wait_until_idle
from piyard.run.job import RunOptions
from piyard.run.lifecycle import start_run
from piyard.run.record import ModelInfo, Record, TaskInfo, describe_build, describe_run

LANGUAGE_LIMIT_S = 3600
"""The time limit of a run for which none is chosen."""


def language_release(build: Build, conversion: LanguageConversion) -> Release:
    """The files that a board needs to run that model."""
    return release_of(
        (build.folder, ["nnrun"]),
        (conversion.folder, conversion.files),
        label=f"{conversion.model.name} {conversion.manifest.precision}, build {build.key}",
    )


def start_language_run(
    connection: BoardConnection,
    build: Build,
    conversion: LanguageConversion,
    what: TaskInfo,
    command: Sequence[str],
    limit_s: int,
    *,
    inputs: Sequence[Release] = (),
    measured: RunOptions | None = None,
) -> Record:
    """Deploy the model, and start that verb of nnrun with these words on its files.

    With ``measured`` a real board is waited for until it is idle, and runs as the options say.
    """
    release = language_release(build, conversion)
    releases = [*inputs, release]
    largest = max(file.size for each in releases for file in each.files)
    done = deploy_releases(
        connection.session,
        releases,
        connection.lease,
        keep=True,
        check=lambda facts, _bytes: _require(connection, build, facts, largest),
    )
    connection.has_lease = True
    real = measured is not None and not connection.spec.emulated
    conditions = connection.target.conditions
    idle = wait_until_idle(connection.session, conditions) if real else None
    record = describe_run(
        connection,
        connection.spec,
        done.facts,
        slug=f"{conversion.model.name}-{conversion.manifest.precision}",
        what=what,
        model=model_info(conversion),
        build=describe_build(build),
        release=release.id,
    )
    governor = choose_governor(connection, connection.spec, measured) if real and measured else ""
    verb, *words = command
    return start_run(
        connection,
        msgspec.structs.replace(record, idle_state=idle),
        release,
        verb,
        [*words, "--param", PARAM_FILE, "--bin", BIN_FILE],
        limit_s or LANGUAGE_LIMIT_S,
        governor=governor,
    )


def _require(connection: BoardConnection, build: Build, facts: Any, largest: int) -> None:
    if connection.spec.emulated:  # its /proc/cpuinfo is the emulating machine's
        facts = msgspec.structs.replace(facts, features=None)
    require_needs(connection.name, facts, needs_of(build.manifest, largest))


def model_info(conversion: LanguageConversion) -> ModelInfo:
    """What a run's record says of it."""
    return ModelInfo(
        name=conversion.model.name,
        key=conversion.key,
        title=conversion.model.title,
        task=GENERATE,
        input=[],
        params=conversion.manifest.params,
        weights=conversion.manifest.weights,
        versions=conversion.manifest.versions,
    )
