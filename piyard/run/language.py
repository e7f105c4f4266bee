"""A language model on a board: its release, and the runs of nnrun that compute with it."""

from __future__ import annotations

from collections.abc import Sequence

from piyard.board.connection import BoardConnection
from piyard.board.release import Release, release_of
from piyard.build.builder import Build
from piyard.convert.language.conversions import BIN_FILE, PARAM_FILE, LanguageConversion
from piyard.models.language_models import GENERATE
from piyard.run.deploy import needs_of
from piyard.run.execute import largest_file
from piyard.run.job import RunOptions
from piyard.run.program_run import ProgramRun, start_program
from piyard.run.record import ModelInfo, Record, TaskInfo
from piyard.run.recording import describe_build

DECODER_FILES = (PARAM_FILE, BIN_FILE)
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
    options: RunOptions,
    *,
    inputs: Sequence[Release] = (),
    usual_limit_s: int = LANGUAGE_LIMIT_S,
    is_measured: bool = False,
    pmic: bool = False,
    files: tuple[str, str] = DECODER_FILES,
) -> Record:
    """Deploy the model, and start that verb of nnrun with these words on its files."""
    param, weights = files
    releases = [*inputs, language_release(build, conversion)]
    return start_program(
        ProgramRun(
            connection=connection,
            releases=releases,
            needs=needs_of(build.manifest, largest_file(releases)),
            slug=f"{conversion.model.name}-{conversion.manifest.precision}",
            what=what,
            model=model_info(conversion),
            build=describe_build(build),
            command=[*command, "--param", param, "--bin", weights],
            options=options,
            usual_limit_s=usual_limit_s,
            is_measured=is_measured,
            pmic=pmic,
        )
    )


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
