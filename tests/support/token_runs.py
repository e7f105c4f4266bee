"""Records of runs that measured tokens a second."""

from __future__ import annotations

from piyard.board.facts import Facts
from piyard.run.record import BuildInfo, ModelInfo, Record, TaskInfo, TokenWork

PP512 = TokenWork(engine="nnrun", test="pp512", tokens=512)
TG128 = TokenWork(engine="nnrun", test="tg128", tokens=1)


def finished_run(
    run: str = "20260101T000000-tiny-t1", task: str = "engine", work: TokenWork | None = None
) -> Record:
    """On an emulated Pi 5."""
    return Record(
        id=run,
        when="2026-01-01T00:00:00+00:00",
        what=TaskInfo(task=task, work=work),
        host="pi",
        target="rpi5",
        hardware="Raspberry Pi 5",
        emulated=True,
        model=ModelInfo(name="tiny", title="tiny", input=[]),
        build=BuildInfo(key="k"),
        release="r",
        before=Facts(machine="aarch64", page_size=16384),
        exit_code=0,
    )
