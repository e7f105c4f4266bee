"""The record of a run, as run.json keeps it: all that nnrun does not write itself."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from piyard.board.facts import Facts
from piyard.board.lease import Governor
from piyard.build.recipe import BuildFlags, NcnnInfo
from piyard.core.parsing import Count, Integer, Number, Seconds, Sides, Text, Threads
from piyard.core.store import NetSize, WeightsInfo
from piyard.run.job import StoredJob

RECORD_SCHEMA = 1
"""Of a run's record; raise it when a newer file means something else to an older piyard."""


class IdleState(msgspec.Struct, frozen=True, kw_only=True):
    """The board's state when the waiting ended."""

    waited_s: float
    temperature_mc: int | None
    load: float | None
    """Busy cores between the last two looks; None when there was only one."""
    cool: bool
    """A board that does not report its temperature counts as cool."""
    quiet: bool

    @property
    def ok(self) -> bool:
        """Whether the board is ready for a run."""
        return self.cool and self.quiet

    @property
    def text(self) -> str:
        """The state for people: ``48.9 °C, 0.02 cores busy``."""
        warm = "" if self.temperature_mc is None else f"{self.temperature_mc / 1000:.1f} °C, "
        return f"{warm}{self.load or 0:.2f} cores busy"


class BenchInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a benchmark was to measure (see ``BenchOptions``)."""

    loops: Count | None = None
    budget_s: Seconds | None = None
    interval: Number | None = None
    min_loops: Count | None = None
    min_s: Seconds | None = None
    warmup: Text | Count | None = None
    cold: bool | None = None
    seed: Integer | None = None


class JobInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The job that was run (see ``StoredJob``)."""

    host: Text | None = None
    target: Text | None = None
    model: Text | None = None
    precision: Text | None = None
    threads: Threads | None = None
    bench: BenchInfo | None = None


class TokenWork(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark of a language model did."""

    engine: Text
    """``nnrun``, or the other program that computed."""
    test: Text
    """As llama-bench calls it: ``pp512`` reads a prompt, ``tg128`` computes an answer's tokens;
    ``img64`` encodes a picture to 64 rows."""
    tokens: Annotated[int, Meta(ge=1, le=1 << 24)]
    """Of a sample: all of a prompt's, or those of an answer that were timed together."""

    @property
    def reads_prompts(self) -> bool:
        """Whether a sample is a whole prompt, or a picture of one, which come before an answer."""
        return self.test.startswith(("pp", "img"))


class TaskInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run was for: its task, and the task's input."""

    task: Text = ""
    inputs: dict[str, Text] | None = None
    """The name on the board → the name here, of predictions."""
    shown: Text | None = None
    """The inputs, for people."""
    film: Text | None = None
    live: bool = False
    """Whether it was shown a camera or a stream."""
    picture: Text | None = None
    """That a benchmark also times end to end."""
    outputs: dict[str, Text] | None = None
    """Task other: the name on the board → the original's."""
    images: dict[str, tuple[float, float] | Literal["own"]] | None = None
    """Task other: outputs that are pictures, and the range of their values."""
    order: Text | None = None
    """Of the channels of such pictures."""
    net: Text | None = None
    """Whose blobs are computed."""
    inferences: Count | None = None
    work: TokenWork | None = None
    """Of a benchmark of a language model."""
    slug: Text = ""
    job: JobInfo | None = None

    def with_job(self, slug: str, job: StoredJob) -> TaskInfo:
        """The same for that job."""
        info = msgspec.convert(msgspec.to_builtins(job), JobInfo)
        return msgspec.structs.replace(self, slug=slug, job=info)


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The conversion that was run."""

    name: Text
    key: Text = ""
    title: Text
    task: Text = ""
    input: Sides
    params: Count | None = None
    macs: Count | None = None
    main: NetSize | None = None
    """The first net's, where there are several: a benchmark runs that one alone."""
    weights: WeightsInfo | None = None
    versions: dict[str, Text] = msgspec.field(default_factory=dict)

    @property
    def measured(self) -> ModelInfo | NetSize:
        """Whose parameters and work count in a benchmark."""
        return self.main or self

    @property
    def random_seed(self) -> int | None:
        """Of random weights."""
        weights = self.weights
        return weights.seed if weights and weights.kind == "random" else None


class BuildInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The build that was run."""

    key: Text
    ncnn: NcnnInfo | msgspec.UnsetType = msgspec.UNSET
    compilers: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    flags: BuildFlags | msgspec.UnsetType = msgspec.UNSET


RunState = Literal["running", "ended", "cancelled", "limit", "interrupted", "full"]


class OutputCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Each output blob against torch's, and whether the model's threshold is met."""

    ok: bool
    threshold: float
    """The least cosine, by the precision that was really computed."""
    cosine: dict[str, float]
    max_abs: dict[str, float | None]
    """None where an output is not finite."""
    blind: dict[str, str] = {}
    """Outputs whose cosine is meaningless, so that their difference counts, and why."""
    empty: dict[str, str] = {}
    """Outputs that prove nothing even if they agree, and why."""

    @property
    def is_empty(self) -> bool:
        """Whether all outputs prove nothing."""
        return bool(self.empty) and self.cosine.keys() <= self.empty.keys()


class BoardPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a board cost, as the inventory says."""

    price: float
    """Dollars."""
    date: str = ""
    """ISO 8601, of that price."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One run, from its start on; fields not known yet have their default."""

    schema: int = RECORD_SCHEMA
    id: str
    when: str
    """UTC, ISO 8601."""
    what: TaskInfo
    host: str
    target: str
    hardware: str
    emulated: bool
    model: ModelInfo
    build: BuildInfo
    release: str
    before: Facts
    after: Facts | None = None
    state: RunState = "ended"
    """How it ended, or "running" when last heard of; "full" when the board's disk was."""
    limit_s: int = 0
    token: str = ""
    """Of the lease it was started with."""
    exit_code: int | None = None
    check: OutputCheck | None = None
    paid: BoardPrice | None = None
    idle_state: IdleState | None = msgspec.field(default=None, name="settled")
    """The board's state after the wait before the run; None without one."""
    governor: Governor | None = None
    """The board's before the run, and the one it ran under."""

    @property
    def is_lost(self) -> bool:
        """Whether it is over without success: it failed, was cancelled, or was lost."""
        return self.state != "running" and (self.state != "ended" or self.exit_code != 0)
