"""The user's own models: added from their network files, replaced, removed, used by their files."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import yaml

from piyard.cli.desk_requests import AddModelRequest, RemoveModelRequest
from piyard.cli.language import add_language_model
from piyard.convert import converter
from piyard.convert.conversion_notes import (
    PROOF_COLUMNS,
    describe_state,
    list_notes,
    proof_rows,
    worst_rows,
)
from piyard.convert.conversions import Conversion
from piyard.convert.language.adding import is_language_file
from piyard.convert.own.adding import Addition, apply_addition, plan_addition
from piyard.convert.own.defaults import (
    OwnModelOptions,
    detect_kind,
    find_pair,
    name_after,
    parse_integers,
    parse_network,
    preprocess_options,
)
from piyard.convert.own.ownership import (
    apply_removal,
    find_own,
    plan_language_removal,
    plan_removal,
)
from piyard.core import console
from piyard.core.errors import PROGRAM, WrongInput
from piyard.core.sandbox.launch import trust_file
from piyard.core.tables import STYLES, render_table
from piyard.core.text import escape_json, sanitize_line
from piyard.evaluate.sample import Sample, choose_sample, draw_sample, sample_path
from piyard.models import definition
from piyard.models.definition import Model, ModelDefinition, load_model, model_names, name_model
from piyard.models.language_models import language_model_names
from piyard.vision.predictions import Frame, OutputValues
from piyard.vision.tasks.base import TaskSpec


def add_from_request(request: AddModelRequest) -> None:
    """Add a model from the user's own file and convert it, or print what that would take."""
    if is_language_file(Path(request.file)):
        add_language_model(request)
        return
    if request.precisions or request.calibration:
        raise WrongInput(
            f"{request.file} is not a language model: its conversion is for every precision",
            remedy="leave --precision and --calibration away; a board's run chooses the precision",
        )
    add_model(
        file_options(request),
        force=request.force,
        trusted=request.trust,
        form=request.format,
        dry_run=request.dry_run,
        replace=request.replace_model,
        sample=request.sample,
        typed=_repeated_words(request),
    )


def _repeated_words(request: AddModelRequest) -> list[str]:
    """The words of the command that state something about the file."""
    plain = request.replace(dry_run=False, replace_model=False, trust=False, format="plain")
    return plain.typed()


def file_options(request: AddModelRequest) -> OwnModelOptions:
    """What the request states about the file."""
    path = Path(request.file)
    return OwnModelOptions(
        file=find_pair(path) if path.is_dir() else path,
        name=request.name or name_after(path),
        task=request.task,
        size=request.input,
        head=request.head,
        network=parse_network(request.network),
        strides=parse_integers("strides", request.strides),
        labels=request.labels,
        keypoints=request.keypoints,
        cut=list(request.cut),
        output=request.output,
        activation=request.activation,
        images=request.images,
        preprocess=preprocess_options(
            fit=request.fit,
            resize=request.resize,
            order=request.order,
            mean=request.mean,
            norm=request.norm,
        ),
        licence=request.licence,
    )


def add_model(
    options: OwnModelOptions,
    *,
    force: bool,
    trusted: bool = False,
    form: str,
    dry_run: bool,
    replace: bool = False,
    sample: str = "",
    typed: Sequence[str] = (),
) -> None:
    """Add a model from the user's own file and convert it, or print what that would take.

    ``typed`` are the words of the command, which those that change an assumption repeat.
    """
    if trusted and options.file.is_file():
        trust_file(options.file, lasting=not dry_run)
    planned = plan_addition(options, replace=replace)
    commands = change_commands(planned, typed or [str(options.file)])
    for line in planned.lines:
        console.info(line)
    if dry_run:
        console.info(f"draw what it sees in a picture: {sample_path(planned.name)}")
        _print_changes(commands)
        _print_json(planned, commands, form)
        return
    picture = choose_sample(planned_model(planned), sample)
    conversion = _convert_added(planned, force=force)
    print_conversion(conversion)
    if form == "json":
        shown = draw_sample(load_model(planned.name), conversion, picture)
        _print_json(planned, commands, form, conversion, shown)
        return
    model = load_model(planned.name)
    rows = worst_rows(conversion) if form in STYLES else proof_rows(conversion)
    print(render_table(PROOF_COLUMNS, rows, form))
    _print_sample(draw_sample(model, conversion, picture), picture, model.spec)
    _print_changes(commands)


def _convert_added(planned: Addition, *, force: bool) -> Conversion:
    with ExitStack() as undo:
        # Whatever ends it, Ctrl-C too: it can be added again.
        undo.callback(apply_addition(planned).restore)
        conversion = converter.convert_model(load_model(planned.name), force=True)
        if not force:  # what only fp16 is too little for can be used in fp32
            conversion.require_proved(["fp32"])
        undo.pop_all()
    return conversion


def planned_model(planned: Addition) -> Model:
    """The model as it will be; without its detector."""
    text = planned.written[definition.MODELS_FOLDER / f"{planned.name}.yaml"]
    return name_model(planned.name, msgspec.convert(yaml.safe_load(text), ModelDefinition))


def change_commands(planned: Addition, typed: Sequence[str]) -> dict[str, str]:
    """Assumed fact → the whole command that makes it something else."""
    return {
        fact: shlex.join([PROGRAM, "model.add", *typed, "--replace", *flags])
        for fact, flags in planned.changes.items()
    }


def _print_changes(commands: dict[str, str]) -> None:
    if commands:
        console.info("assumed, and changed by:")
    for fact, command in commands.items():
        console.info(f"  {fact}: {command}")


def _print_sample(sample: Sample | None, picture: Path | None, spec: TaskSpec) -> None:
    if sample is None:
        return
    console.info(
        f"what it sees in {sanitize_line(sample.picture)}: {_describe_frame(sample.frame, spec)}"
    )
    console.info(f"look at it: {sample.drawn}")
    if picture is None:
        console.info("  --sample PICTURE shows one of yours")


def _describe_frame(frame: Frame, spec: TaskSpec) -> str:
    """The five best classes, or how many objects of which classes."""
    if frame.top:
        best = (
            f"{sanitize_line(each.label or str(each.index))} {each.score:.2f}" for each in frame.top
        )
        return ", ".join(best)
    if frame.objects and not spec.is_boxed:
        return ", ".join(spec.summarise([frame]))
    if frame.outputs:
        return ", ".join(map(_describe_output, frame.outputs))
    counts: dict[str, int] = {}
    for each in frame.objects:
        counts[sanitize_line(each.name)] = counts.get(sanitize_line(each.name), 0) + 1
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"


def _describe_output(output: OutputValues) -> str:
    shape = "x".join(map(str, output.shape))
    if output.min is None or output.max is None:
        return f"{output.name} ({shape}) not finite"
    return f"{output.name} ({shape}) from {output.min:.4g} to {output.max:.4g}"


def _print_json(
    planned: Addition,
    commands: dict[str, str],
    form: str,
    conversion: Conversion | None = None,
    sample: Sample | None = None,
) -> None:
    """All that was found out and done, as one object; nothing in another form."""
    if form != "json":
        return
    facts: dict[str, object] = {
        "model": planned.name,
        "definition": msgspec.to_builtins(planned_model(planned)),
        "findings": planned.findings,
        "changes": commands,
        "written": [str(path) for path in planned.written],
        "removed": [str(path) for path in planned.removed],
    }
    if conversion:
        rows = proof_rows(conversion)
        facts["state"] = describe_state(conversion)
        facts["proved_in"] = conversion.proved_in
        facts["conversion"] = str(conversion.folder)
        facts["proof"] = json.loads(render_table(PROOF_COLUMNS, rows, "json"))
    if sample:
        facts["sample"] = {
            "picture": sample.picture,
            "drawn": str(sample.drawn),
            **msgspec.to_builtins(sample.frame),
        }
    print(escape_json(json.dumps(facts, indent=2, ensure_ascii=False)))


def print_conversion(conversion: Conversion) -> None:
    """What became of a model, with notes, on stderr."""
    state = describe_state(conversion)
    size = f"{conversion.manifest.params / 1e6:.2f} M params"
    mark = "✗" if conversion.failed or conversion.empty else "✓"
    console.info(f"{mark} {conversion.name}: {state}, {_weights_text(conversion)}, {size}")
    for note in list_notes(conversion):
        console.info(f"  {note}")


def _weights_text(conversion: Conversion) -> str:
    source = conversion.manifest.weights.source
    return f"weights: {source}" if conversion.has_real_weights else "random weights"


def load_or_add(names: Sequence[str], *, dry_run: bool) -> list[Model]:
    """The models of these names; one named by its network file is added first, unless it is there.

    Raises ``WrongInput``, and what adding raises.
    """
    models = {name: _load_or_add(name, dry_run=dry_run) for name in dict.fromkeys(names)}
    return [models[name] for name in names]


def _load_or_add(name: str, *, dry_run: bool) -> Model:
    if name in model_names():
        return load_model(name)
    path = Path(name)
    file = find_pair(path) if path.is_dir() else path
    detect_kind(file)  # what is not a network file is refused before all of it is read
    if there := find_own(file, name_after(path)):
        console.info(f"{path.name} is the model '{there.name}'")
        return there
    planned = plan_addition(OwnModelOptions(file=file, name=name_after(path)))
    commands = change_commands(planned, [str(path)])
    console.info(f"{path.name} becomes the model '{planned.name}':")
    for line in planned.lines:
        console.info(f"  {line}")
    if dry_run:
        return planned_model(planned)
    print_conversion(_convert_added(planned, force=False))
    _print_changes(commands)
    return load_model(planned.name)


def remove_model(request: RemoveModelRequest) -> None:
    """Remove a model of the user's own, or print what would go."""
    language = request.name in language_model_names()
    removal = (plan_language_removal if language else plan_removal)(request.name)
    for path in removal.paths:
        print(f"remove {path}")
    if request.dry_run:
        return
    _require_consent(f"these are all files of '{removal.name}' here", yes=request.yes)
    apply_removal(removal)
    console.info(f"✓ {removal.name} is removed; its results stay")


def _require_consent(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise WrongInput(f"{what}, and nobody was asked", remedy="--yes removes them")
    print(f"{what}. Remove them? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise WrongInput("nothing is removed", remedy="--yes removes without a question")
