"""Tasks about models: which there are, converting them, adding your own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from piyard import download, originals, say, tables
from piyard import model as models
from piyard.cli.desk_requests import AddModelRequest, ConvertRequest
from piyard.conversion import Conversion, convert, converted, own
from piyard.conversion.own import Asked
from piyard.errors import unknown
from piyard.model import TASKS, Model, Weights
from piyard.report.figures import scaled
from piyard.sandbox import trust

COLUMNS = (
    *("Model", "Task", "Input", "Params", "GFLOPs/MACs"),
    *("Published accuracy", "Weights", "Licence"),
)


def listed(task: str, form: str) -> None:
    """The models there are, of that task or of all."""
    if task and task not in TASKS:
        raise unknown("task", task, TASKS)
    all_models = {name: models.load(name) for name in models.names()}
    rows = [_row(name, model) for name, model in all_models.items() if task in {"", model.task}]
    print(tables.render(COLUMNS, rows, form))
    say.note("figures are their publishers'; benchmarks count the network itself")


def conversions(request: ConvertRequest) -> None:
    """Convert models, or say which would be."""
    random_weights, route = request.random_weights, request.route
    for name in request.models:
        if request.dry_run:
            usual = originals.require_route(models.load(name), route)
            print(f"convert {name} by route {usual}, or find it converted")
            continue
        if request.trust:
            _trust(models.load(name))
        conversion = convert.convert(
            name, random_weights=random_weights, route=route, force=request.force
        )
        _say(conversion)
        if route and route != originals.routes(models.load(name))[0]:
            by_default = convert.convert(name, random_weights=random_weights, force=True)
            for line in converted.beside(conversion, by_default):
                say.note(f"  {line}")
        print(conversion.folder)


def _trust(model: Model) -> None:
    for chosen in originals.choose(model).every:
        trust.add(originals.path_of(chosen))


def add(request: AddModelRequest) -> None:
    """Make a model of the user's own file, and convert it; or say what that would take."""
    add_model(
        _of_file(request),
        force=request.force,
        trusted=request.trust,
        form=request.format,
        dry_run=request.dry_run,
    )


def _of_file(request: AddModelRequest) -> Asked:
    file = Path(request.file)
    return Asked(
        file=file,
        name=request.name or file.stem,
        task=request.task,
        size=request.input,
        head=request.head,
        strides=own.numbers("strides", request.strides),
        labels=request.labels,
        keypoints=request.keypoints,
        cut=list(request.cut),
        output=request.output,
        activation=request.activation,
        preprocess=own.differing(
            fit=request.fit,
            resize=request.resize,
            order=request.order,
            mean=request.mean,
            norm=request.norm,
        ),
        licence=request.licence,
    )


def add_model(
    options: Asked, *, force: bool, trusted: bool = False, form: str, dry_run: bool
) -> None:
    """Make a model of the user's own file, and convert it; or say what that would take."""
    if trusted and options.file.is_file():
        trust.add(options.file, lasting=not dry_run)
    planned = own.plan(options)
    for line in planned.lines:
        say.note(line)
    if dry_run:
        return
    with ExitStack() as undo:
        undo.callback(own.forget, planned)  # whatever ends it, Ctrl-C too: it can be added again
        own.add(planned)
        conversion = convert.convert(planned.name, force=True)
        if not force:  # what only fp16 is too little for can be used in fp32
            conversion.require_proved(["fp32"])
        undo.pop_all()
    _say(conversion)
    rows = converted.worst(conversion) if form in tables.STYLES else converted.rows(conversion)
    print(tables.render(converted.COLUMNS, rows, form))


def _say(conversion: Conversion) -> None:
    state = converted.state(conversion)
    size = f"{conversion.manifest['params'] / 1e6:.2f} M params"
    mark = "✗" if conversion.failed or conversion.empty else "✓"
    say.note(f"{mark} {conversion.name}: {state}, {_weights(conversion)}, {size}")
    for note in converted.notes(conversion):
        say.note(f"  {note}")


def _row(name: str, model: Model) -> list[str]:
    figures = model.published
    return [
        name,
        model.task,
        "x".join(map(str, model.input[1:])),
        scaled(figures.params, 1e6, "M"),
        scaled(figures.macs, 1e9, "GMACs"),
        ", ".join(_accuracy(model)) or "N/A",
        _at_hand(model),
        "; ".join(dict.fromkeys(file.licence for file in _files(model))),
    ]


def _accuracy(model: Model) -> Iterator[str]:
    if model.published.top1 is not None:
        yield f"top-1 {model.published.top1:.1f}"
    if model.published.map_50_95 is not None:
        yield f"mAP {model.published.map_50_95:.1f}"


def _files(model: Model) -> list[Weights]:
    """The official file and what comes with it."""
    return [model.weights[0], *model.parts.values()]


def _at_hand(model: Model) -> str:
    """What has to be done to have them."""
    if any(_is_here(file) for file in model.weights) and all(map(_is_here, model.parts.values())):
        return "here"
    return "to download" if model.weights[0].url else "only by PIYARD_MIRROR"


def _is_here(file: Weights) -> bool:
    return bool(file.digest) and download.known(file.digest) is not None


def _weights(conversion: Conversion) -> str:
    weights = conversion.manifest["weights"]
    return f"weights: {weights['source']}" if conversion.has_real_weights else "random weights"
