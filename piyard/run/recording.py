"""The record of a run that is about to start."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from piyard.board.connection import BoardConnection, BoardSpec
from piyard.board.facts import Facts
from piyard.run import job
from piyard.run.record import BoardPrice, BuildInfo, ModelInfo, Record, TaskInfo

if TYPE_CHECKING:  # stored runs are read without all that makes a model and its files
    from piyard.build.builder import Build
    from piyard.convert.conversions import Conversion


def new_record(
    connection: BoardConnection,
    board: BoardSpec,
    before: Facts,
    build: Build,
    conversion: Conversion,
    *,
    slug: str,
    what: TaskInfo,
    detector: Conversion | None = None,
) -> Record:
    """The record of a run of nnrun that is about to start."""
    return describe_run(
        connection,
        board,
        before,
        slug=slug,
        what=what,
        model=_describe_conversion(conversion),
        build=describe_build(build),
        release=job.release_for(
            build, conversion, detector, precision=(what.job and what.job.precision) or ""
        ).id,
    )


def describe_run(
    connection: BoardConnection,
    board: BoardSpec,
    before: Facts,
    *,
    slug: str,
    what: TaskInfo,
    model: ModelInfo,
    build: BuildInfo,
    release: str,
) -> Record:
    """The record of a run of any program that is about to start."""
    now = datetime.now(timezone.utc)
    safe_slug = re.sub(r"[^A-Za-z0-9._-]+", "-", slug)[:80]
    return Record(
        id=f"{now:%Y%m%dT%H%M%S}-{safe_slug}-{secrets.token_hex(3)}",
        when=now.isoformat(timespec="seconds"),
        what=what,
        host=board.name,
        target=board.target.name,
        hardware=board.hardware,
        emulated=board.emulated,
        model=model,
        build=build,
        release=release,
        before=before,
        state="running",
        token=connection.lease.token,
        paid=_board_price(connection),
    )


def _board_price(connection: BoardConnection) -> BoardPrice | None:
    entry = connection.entry
    if entry.price is None:
        return None
    return BoardPrice(
        price=entry.price, date=entry.price_date.isoformat() if entry.price_date else ""
    )


def _describe_conversion(conversion: Conversion) -> ModelInfo:
    manifest = conversion.manifest
    return ModelInfo(
        name=conversion.name,
        key=conversion.key,
        title=conversion.model.title,
        task=manifest.task,
        input=list(manifest.input),
        params=manifest.params,
        macs=manifest.macs,
        main=manifest.main or None,
        weights=manifest.weights,
        versions=manifest.versions,
    )


def describe_build(build: Build) -> BuildInfo:
    """What a record says of the build that runs."""
    manifest = build.manifest
    return BuildInfo(
        key=build.key, ncnn=manifest.ncnn, compilers=manifest.compilers, flags=manifest.flags
    )
