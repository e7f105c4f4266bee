"""``compress --keep-accuracy`` and ``--max-latency``: how much a budget allows, by trials."""

from __future__ import annotations

import msgspec

from piyard.cli.compress_judging import measure_speeds, print_data, read_data
from piyard.cli.compress_request import CompressRequest
from piyard.compress.budget import (
    Budget,
    Knob,
    Trial,
    describe_budget,
    find_value,
    most_variants,
    with_knob,
)
from piyard.compress.judging import judge_family
from piyard.compress.method import CompressOptions, Step
from piyard.compress.methods import find_method
from piyard.compress.pictures import PicturesApart
from piyard.compress.plan import plan_steps
from piyard.compress.variant import (
    as_model,
    bind_step,
    check_step,
    make_files,
)
from piyard.core import console
from piyard.core.target import Target, load_target
from piyard.models.definition import Model, load_model


class BudgetSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Variants by the value of a method's knob, and what a budget looks at."""

    request: CompressRequest
    options: CompressOptions
    budget: Budget
    knob: Knob
    model: Model
    target: Target
    data: PicturesApart | None

    def check(self) -> None:
        """Raise ``WrongInput`` before anything takes long where nothing could judge."""
        if self.budget.keep_accuracy is not None and self.data:
            self.data.judged.require_truth()
        check_step(self._bind(self.knob.values[0]))

    def find(self) -> float:
        """The value that the budget allows. Raises ``WrongInput`` where none does."""
        original = self._judge(self.model)
        console.info(f"{self.model.name}: {_trial_text(original)}")
        tried: list[float] = []
        with console.step(f"find the --{self.knob.option}", unit="variants") as shown:

            def judge(value: float) -> Trial:
                trial = self._judge_value(value)
                tried.append(value)
                shown.update(len(tried), most_variants(self.knob))
                return trial

            value = find_value(self.knob, self.budget, original, judge)
            shown.outcome = f"the budget allows {value:g}"
        return value

    def _judge_value(self, value: float) -> Trial:
        step = self._bind(value)
        trial = self._judge(as_model(step, make_files(step)))
        console.info(f"--{self.knob.option} {value:g}: {_trial_text(trial)}")
        return trial

    def _bind(self, value: float) -> Step:
        turned = with_knob(self.options, self.knob, value)
        (planned, *_) = plan_steps(msgspec.structs.replace(turned, methods=(self.knob.method,)))
        learnt = self.data.learnt if self.data else None
        seed, target = self.options.seed, self.options.target
        return bind_step(planned, self.model, learnt, seed=seed, target=target)

    def _judge(self, model: Model) -> Trial:
        is_timed = self.budget.max_latency_ms is not None
        speeds = measure_speeds(self.request, [model], self.target) if is_timed else {}
        judged = self.data.judged if self.data else None
        (row,) = judge_family([model], judged, self.target.precisions, speeds)
        return Trial(accuracy=row.accuracy, time_ms=row.time_ms)


def keep_to_budget(
    request: CompressRequest, options: CompressOptions, budget: Budget, knob: Knob
) -> CompressOptions | None:
    """The options with the setting that the budget allows; None of a dry run, which says so."""
    model = load_model(options.model)
    data = read_data(request, model, learns=find_method(knob.method).learns)
    search = BudgetSearch(
        request=request,
        options=options,
        budget=budget,
        knob=knob,
        model=model,
        target=load_target(options.target),
        data=data,
    )
    search.check()
    if request.dry_run:
        print(describe_budget(budget, knob))
        print_data(data)
        return None
    return with_knob(options, knob, search.find())


def _trial_text(trial: Trial) -> str:
    accuracy = [] if trial.accuracy is None else [f"{trial.accuracy:.1f} %"]
    time = [] if trial.time_ms is None else [f"{trial.time_ms:.2f} ms"]
    return ", ".join([*accuracy, *time])
